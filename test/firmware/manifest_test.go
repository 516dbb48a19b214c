package firmware

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// manifest is what all package managers are told of the client.
type manifest struct {
	version, description, url, repository, license string
	tags, examples                                 []string // examples are folders
}

func clientFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clientFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantFile demands a file or folder of the client.
func wantFile(t testing.TB, by, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(clientFolder, name)); err != nil {
		t.Errorf("%s: %v", by, err)
	}
}

// property is a line of library.properties.
var property = regexp.MustCompile(`(?m)^(\w+)=(.+)$`)

// libraryProperties reads what Arduino is told. Its format is lines of key=value.
func libraryProperties(t testing.TB) map[string]string {
	t.Helper()
	properties := make(map[string]string)
	text := clientFile(t, "library.properties")
	for line := range strings.Lines(text) {
		field := property.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if field == nil || properties[field[1]] != "" {
			t.Errorf("library.properties: %q", line)
			continue
		}
		properties[field[1]] = field[2]
	}
	return properties
}

// libraryJSON is what PlatformIO is told.
type libraryJSON struct {
	Schema                              string `json:"$schema"`
	Name, Version, Description, License string
	Homepage                            string
	Repository                          struct{ Type, URL string }
	Frameworks, Platforms               string
	Keywords, Headers                   []string
	Build                               struct {
		SrcDir, IncludeDir string
		SrcFilter          []string
	}
	Examples []struct {
		Name, Base string
		Files      []string
	}
	Export struct{ Include []string }
}

func readLibraryJSON(t testing.TB) libraryJSON {
	t.Helper()
	var library libraryJSON
	decoder := json.NewDecoder(strings.NewReader(clientFile(t, "library.json")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&library); err != nil {
		t.Fatalf("library.json: %v", err)
	}
	return library
}

// yamlItem is an element of a list in idf_component.yml, or of one with a path.
var yamlItem = regexp.MustCompile(`(?m)^  - (?:path: )?"?([^"\n]+)"?$`)

// espIDFManifest reads idf_component.yml, which has one form of each thing only.
func espIDFManifest(t testing.TB) manifest {
	t.Helper()
	values := make(map[string]string)
	for _, block := range regexp.MustCompile(`(?m)^\w+:(?:.*\n)(?:  .*\n)*`).FindAllString(clientFile(t, "idf_component.yml"), -1) {
		key, value, _ := strings.Cut(block, ":")
		values[key] = value
	}
	value := func(key string) string { return strings.Trim(values[key], " \"\n") }
	list := func(key string) (items []string) {
		for _, item := range yamlItem.FindAllStringSubmatch(values[key], -1) {
			items = append(items, item[1])
		}
		return items
	}
	return manifest{value("version"), value("description"), value("url"), value("repository"), value("license"), list("tags"), list("examples")}
}

// TestManifests holds that Arduino, PlatformIO and ESP-IDF are told the same, that it is so, and that what they are told of exists.
func TestManifests(t *testing.T) {
	properties, library, component := libraryProperties(t), readLibraryJSON(t), espIDFManifest(t)
	wantEqual(t, "library.json's name", library.Name, properties["name"])
	wantEqual(t, "name", library.Name, "umqtt_serial")
	version := regexp.MustCompile(`#define UMQTT_SERIAL_VERSION "(.+)"`).FindStringSubmatch(clientFile(t, "src/umqtt_serial.h"))
	if version == nil {
		t.Fatal("umqtt_serial.h has no version")
	}
	for by, got := range map[string]string{"library.properties": properties["version"], "library.json": library.Version, "idf_component.yml": component.version} {
		wantEqual(t, by+"'s version", got, version[1])
	}
	wantEqual(t, "library.properties' url", properties["url"], component.url)
	wantEqual(t, "library.json's homepage", library.Homepage, component.url)
	wantEqual(t, "library.json's repository", library.Repository.URL, component.repository)
	wantEqual(t, "library.json's license", library.License, component.license)
	wantEqual(t, "library.json's description", library.Description, component.description)
	wantEqual(t, "library.json's keywords", strings.Join(library.Keywords, " "), strings.Join(component.tags, " "))
	wantEqual(t, "license", component.license, "MIT")
	license, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "LICENSE", clientFile(t, "LICENSE"), string(license))
	for _, key := range []string{"author", "maintainer", "sentence", "paragraph", "category", "architectures"} {
		if properties[key] == "" {
			t.Errorf("library.properties has no %s", key)
		}
	}
	wantFile(t, "library.properties", filepath.Join("src", properties["includes"]))
	for _, header := range library.Headers {
		wantFile(t, "library.json", filepath.Join("src", header))
	}
	for _, name := range append(library.Export.Include, library.Build.SrcDir, library.Build.IncludeDir) {
		wantFile(t, "library.json", name)
	}
}

func wantEqual(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

// TestManifestExamples holds that every example is in a manifest, and nothing else is.
func TestManifestExamples(t *testing.T) {
	folders, err := filepath.Glob(clientFolder + "/examples/*")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	for _, folder := range folders {
		want["examples/"+filepath.Base(folder)] = true
	}
	for _, example := range readLibraryJSON(t).Examples {
		if !want[example.Base] || filepath.Base(example.Base) != example.Name || len(example.Files) == 0 {
			t.Errorf("library.json: example %s in %s with %v", example.Name, example.Base, example.Files)
		}
		delete(want, example.Base)
		for _, name := range example.Files {
			wantFile(t, "library.json", filepath.Join(example.Base, name))
		}
	}
	for missing := range want {
		t.Errorf("library.json does not name %s", missing)
	}
	wantEqual(t, "idf_component.yml's examples", strings.Join(espIDFManifest(t).examples, " "), "examples/esp-idf")
}

var (
	comment     = regexp.MustCompile(`(?s)/\*.*?\*/`)
	block       = regexp.MustCompile(`\{[^{}]*\}`)
	method      = regexp.MustCompile(`(\w+)\(`)
	typeOfClass = regexp.MustCompile(`(?m)^(?:typedef \w+ \(\*(\w+)\)|  (?:struct|class) (\w+) \{|class (\w+)|typedef UmqttSerialSized<.*> (\w+);)`)
	constant    = regexp.MustCompile(`(?m)^(?:    |#define )(UMQTT_(?:OK|(?:ERR|CODE|EVENT|REASON|SESSION|STATE)_\w+))\b`)
)

// TestKeywords holds that Arduino's editor knows every public type and method of the class, every type of the library in their declarations, and the constants that they give
// or take; and no word that does not exist.
func TestKeywords(t *testing.T) {
	header, library := comment.ReplaceAllString(clientFile(t, "src/UmqttSerial.h"), ""), comment.ReplaceAllString(clientFile(t, "src/umqtt_serial.h"), "")
	want := make(map[string]string)
	for _, names := range typeOfClass.FindAllStringSubmatch(header, -1) {
		want[strings.Join(names[1:], "")] = "KEYWORD1"
	}
	public, _, _ := strings.Cut(header, "private:")
	public = block.ReplaceAllString(public, "")
	for _, name := range regexp.MustCompile(`umqtt_\w+`).FindAllString(public, -1) {
		if strings.Contains(library, "} "+name+";") {
			want[name] = "KEYWORD1"
		}
	}
	_, public, _ = strings.Cut(public, "public:")
	for _, name := range method.FindAllStringSubmatch(public, -1) {
		if want[name[1]] == "" {
			want[name[1]] = "KEYWORD2"
		}
	}
	for _, name := range constant.FindAllStringSubmatch(library, -1) {
		want[name[1]] = "LITERAL1"
	}
	if len(want) < 60 {
		t.Errorf("only %d words are found in the headers", len(want))
	}
	got := make(map[string]string)
	for line := range strings.Lines(clientFile(t, "keywords.txt")) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		word, kind, tab := strings.Cut(line, "\t")
		if !tab || got[word] != "" {
			t.Errorf("keywords.txt: %q", line)
		}
		got[word] = kind
	}
	for _, word := range slices.Sorted(maps.Keys(want)) {
		if got[word] != want[word] {
			t.Errorf("keywords.txt: %s is %q, want %s", word, got[word], want[word])
		}
	}
	for _, word := range slices.Sorted(maps.Keys(got)) {
		if want[word] == "" {
			t.Errorf("keywords.txt: there is no %s", word)
		}
	}
}
