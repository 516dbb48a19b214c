/* Runs the tests of the client. The exit status is 1 if one has failed. */
#include "test.h"

#include <string.h>

static unsigned checks;
static unsigned failures;

void check(int ok, const char *what, const char *file, int line)
{
    checks++;
    if (!ok) {
        failures++;
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
}

void check_equal(long got, long want, const char *what, const char *file, int line)
{
    if (got != want) {
        fprintf(stderr, "%s is %ld, not %ld\n", what, got, want);
    }
    check(got == want, what, file, line);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"vectors", test_vectors}, {"frames", test_frames}, {"session", test_session}, {"publish", test_publish}, {"receive", test_receive},
        {"topics", test_topics},   {"sleep", test_sleep},   {"time", test_time},       {"refused", test_refused},
    };
    size_t i;

    for (i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        unsigned before = failures;

        tests[i].run();
        if (failures != before) {
            printf("FAIL %s\n", tests[i].name);
        }
    }
    printf("%s: %u checks, %u failed\n", (failures == 0U) ? "ok" : "FAIL", checks, failures);
    return (failures == 0U) ? 0 : 1;
}
