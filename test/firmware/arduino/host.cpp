/*
 * Runs a sketch on the host: its serial ports are the tty that is named on the command line. It is on since ten seconds, nearly. On standard output
 * stands what the sketch does to the world; a byte on standard input presses M5's button A.
 */
#include <M5Unified.h>
#include <esp_random.h>
#include <esp_sleep.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

void setup();
void loop();

static int line;

/* ---- Time and pins ---- */

unsigned long millis() {
  static const uint32_t before = 9800;
  static uint64_t begin;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  uint64_t now = static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
  if (begin == 0) {
    begin = now - before;
  }
  return static_cast<uint32_t>(now - begin);
}

void delay(unsigned long ms) { (void)poll(nullptr, 0, static_cast<int>(ms)); }
void pinMode(uint8_t pin, uint8_t mode) { printf("pinMode %d %d\n", pin, mode); }
void digitalWrite(uint8_t pin, uint8_t value) { printf("digitalWrite %d %d\n", pin, value); }
int analogRead(uint8_t pin) { return pin == 34 ? 1234 : 512; }

/* ---- Serial ports ---- */

HardwareSerial Serial;
HardwareSerial Serial1;

void HardwareSerial::begin(unsigned long baud) { printf("begin %lu\n", baud); }
size_t HardwareSerial::setRxBufferSize(size_t n) { return n; }
size_t HardwareSerial::write(uint8_t byte) { return write(&byte, 1); }

size_t HardwareSerial::write(const uint8_t *bytes, size_t n) {
  size_t written = 0;
  while (written < n) {
    ssize_t done = ::write(line, bytes + written, n - written);
    if (done > 0) {
      written += static_cast<size_t>(done);
    } else if (errno == EAGAIN) {
      struct pollfd p = {line, POLLOUT, 0};
      (void)poll(&p, 1, 100);
    } else {
      _exit(2);
    }
  }
  return n;
}

int HardwareSerial::available() {
  int n = 0;
  if (ioctl(line, FIONREAD, &n) != 0) {
    _exit(2);
  }
  return n;
}

int HardwareSerial::read() {
  uint8_t byte;
  return ::read(line, &byte, 1) == 1 ? byte : -1;
}

int HardwareSerial::peek() { return -1; }

/* ---- M5Unified and ESP-IDF ---- */

M5StandIn M5;

void M5StandIn::Screen::fillScreen(int) {}
void M5StandIn::Screen::setCursor(int, int) {}
size_t M5StandIn::Screen::print(const char *text) { return static_cast<size_t>(printf("display %s\n", text)); }
void M5StandIn::Clock::setDateTime(const tm *time) { printf("clock %d\n", time->tm_year + 1900); }
M5StandIn::Config M5StandIn::config() { return Config(); }
void M5StandIn::begin(Config config) { printf("M5 %u\n", static_cast<unsigned>(config.serial_baudrate)); }
void M5StandIn::update() {}

bool M5StandIn::Button::wasPressed() {
  struct pollfd p = {STDIN_FILENO, POLLIN, 0};
  char byte;
  return poll(&p, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) == 1;
}

uint32_t esp_random(void) { return static_cast<uint32_t>(getpid()); }

int esp_sleep_enable_timer_wakeup(uint64_t microseconds) {
  printf("wakeup %llu\n", static_cast<unsigned long long>(microseconds));
  return 0;
}

void esp_deep_sleep_start(void) {
  printf("sleep\n");
  exit(0);
}

int main(int argc, char **argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  line = argc == 2 ? open(argv[1], O_RDWR | O_NOCTTY | O_NONBLOCK) : -1;
  if (line < 0) {
    perror("line");
    return 2;
  }
  setup();
  for (;;) {
    loop();
  }
}
