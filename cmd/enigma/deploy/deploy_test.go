// Package deploy_test checks the files for those who run a server against the program they are for.
package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/enigma-protocol/enigma/cmd/enigma/admin"
	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestMain(m *testing.M) { os.Exit(enigmatest.Main(m)) }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// series matches the names of metrics that a query may have.
var series = regexp.MustCompile(`\b(enigma|process|go)_[a-z_]+`)

// metricsOf returns the names of all time series that a server has.
func metricsOf(t *testing.T) map[string]bool {
	t.Helper()
	families, err := admin.Registry(func() admin.Stats { return admin.Stats{} }, "v1").Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"process_open_fds": true}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, m := range admin.Table { // those with a label have no values yet
		names[m.Name] = true
		if m.Kind == admin.Histogram {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[m.Name+suffix] = true
			}
		}
	}
	return names
}

// checkQuery finds what a query names that is not there.
func checkQuery(t *testing.T, where, query string, known map[string]bool) {
	t.Helper()
	found := series.FindAllString(query, -1)
	for _, name := range found {
		if !known[name] {
			t.Errorf("%s: there is no metric %s: %s", where, name, query)
		}
	}
	for pair, close := range map[string]string{"(": ")", "{": "}", "[": "]"} {
		if strings.Count(query, pair) != strings.Count(query, close) {
			t.Errorf("%s: %s", where, query)
		}
	}
	if len(found) == 0 && !strings.Contains(query, "up{") {
		t.Errorf("%s asks for nothing: %s", where, query)
	}
}

func TestAlerts_NameMetricsThatAre(t *testing.T) {
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	known := metricsOf(t)
	seen := map[string]bool{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			checkQuery(t, rule.Alert, rule.Expr, known)
			if seen[rule.Alert] || !slices.Contains([]string{"page", "ticket"}, rule.Labels["severity"]) || rule.Annotations["summary"] == "" {
				t.Errorf("%+v is not whole, or there twice", rule)
			}
			seen[rule.Alert] = true
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d rules", len(seen))
	}
}

func TestGrafana_NamesMetricsThatAre(t *testing.T) {
	var board struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	known := metricsOf(t)
	taken := map[[2]int]string{}
	shown := map[string]bool{}
	for _, panel := range board.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%s shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			checkQuery(t, panel.Title, target.Expr, known)
			for _, name := range series.FindAllString(target.Expr, -1) {
				shown[name] = true
			}
		}
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %s", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
	}
	if len(shown) < 30 {
		t.Errorf("it shows %d metrics", len(shown))
	}
}

// settingsOf returns what the program can be told by its environment.
func settingsOf(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"ENIGMA_CONFIG": true}
	for _, flag := range regexp.MustCompile(`(?m)^  --([a-z-]+)`).FindAllStringSubmatch(enigmatest.Run(t, nil, "help", "serve").Stdout, -1) {
		names["ENIGMA_"+strings.ToUpper(strings.ReplaceAll(flag[1], "-", "_"))] = true
	}
	return names
}

// TestFiles_UseSettingsAndCommandsThatAre looks for both in all files.
func TestFiles_UseSettingsAndCommandsThatAre(t *testing.T) {
	known := settingsOf(t)
	for _, name := range []string{"Dockerfile", "compose.yaml", "enigma.service"} {
		text := read(t, name)
		for _, setting := range regexp.MustCompile(`\bENIGMA_[A-Z_]+\b`).FindAllString(text, -1) {
			if setting != "ENIGMA_NAME" && !known[setting] {
				t.Errorf("%s: there is no %s", name, setting)
			}
		}
	}
	dockerfile := read(t, "Dockerfile")
	for _, want := range []string{"FROM scratch", "USER 65532", `CMD ["/enigma", "health"`, "VOLUME /data", "EXPOSE 8080 9090", "CGO_ENABLED=0", "-trimpath"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile lacks %s", want)
		}
	}
}

// TestCompose_IsWhole: services refer to networks and volumes that are there, and the Redis loses nothing.
func TestCompose_IsWhole(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Command     []string
			Networks    []string
			Volumes     []string
			Environment map[string]string
			Healthcheck struct{ Test []string }
		}
		Networks, Volumes map[string]any
	}
	text := read(t, "compose.yaml")
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	for name, service := range file.Services {
		for _, network := range service.Networks {
			if _, ok := file.Networks[network]; !ok {
				t.Errorf("%s: no network %s", name, network)
			}
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, ok := file.Volumes[source]; !ok && read(t, source) == "" {
				t.Errorf("%s: no volume %s", name, source)
			}
		}
	}
	command := strings.Join(file.Services["redis"].Command, " ")
	for _, want := range []string{"--requirepass ", "--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"} {
		if !strings.Contains(command, want) {
			t.Errorf("redis lacks %s: %s", want, command)
		}
	}
	if len(file.Services["redis"].Healthcheck.Test) == 0 || file.Services["enigma"].Environment["ENIGMA_ADMIN_HOST"] != "enigma" {
		t.Error("no health check of redis, or Prometheus may not ask enigma by its name")
	}
	if !strings.Contains(read(t, "prometheus.yaml"), `"enigma:9090"`) {
		t.Error("Prometheus does not look at enigma:9090")
	}
}

// TestService_IsWhatSystemdUnderstands has systemd read the unit where there is one.
func TestService_IsWhatSystemdUnderstands(t *testing.T) {
	unit := read(t, "enigma.service")
	for _, want := range []string{"DynamicUser=yes", "StateDirectory=enigma", "ProtectSystem=strict", "LimitNOFILE=", "RestartPreventExitStatus=2", "serve\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return // what a unit may say is known there only
	}
	file := t.TempDir() + "/enigma.service"
	unit = strings.ReplaceAll(unit, "/usr/local/bin/enigma", enigmatest.Binary(t))
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), file) {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// TestHealth_AnswersByItsStatus is what the image's health check runs.
func TestHealth_AnswersByItsStatus(t *testing.T) {
	s := enigmatest.Start(t)
	for url, want := range map[string]int{
		s.URL("/readyz"): 0, s.URL("/nowhere"): 1, "http://" + s.Admin + "/healthz": 0, "http://127.0.0.1:1/": 1, "localhost": 2,
	} {
		if r := enigmatest.Run(t, nil, "health", url); r.Status != want {
			t.Errorf("%s: %s", url, r)
		}
	}
}
