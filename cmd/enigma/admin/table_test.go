package admin

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/enigma-protocol/enigma/actors"
)

// full is a server's counters after every kind of event.
func full() Stats {
	var s Stats
	for _, part := range []any{&s.Broker, &s.Front} {
		v := reflect.ValueOf(part).Elem()
		for i := range v.NumField() {
			set(v.Field(i), 3)
		}
	}
	s.Broker.Attached = 5
	return s
}

// set gives a field the value n, in a map or a list as its only element.
func set(field reflect.Value, n uint64) {
	switch field.Kind() {
	case reflect.Uint64:
		field.SetUint(n)
	case reflect.Int64, reflect.Int:
		field.SetInt(int64(n) * max(1, int64(time.Second)*int64(b2i(field.Type() == reflect.TypeFor[time.Duration]()))))
	case reflect.Bool:
		field.SetBool(true)
	case reflect.Struct:
		for i := range field.NumField() {
			set(field.Field(i), n)
		}
	case reflect.Array:
		field.Index(20).SetUint(n)
	case reflect.Slice:
		field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		set(field.Index(0), n)
	case reflect.Map:
		key, element := reflect.New(field.Type().Key()).Elem(), reflect.New(field.Type().Elem()).Elem()
		if key.Kind() == reflect.String {
			key.SetString("REPLACED")
		} else {
			key.SetInt(404)
		}
		set(element, n)
		field.Set(reflect.MakeMap(field.Type()))
		field.SetMapIndex(key, element)
	default:
		panic("a field of a kind that this test does not know: " + field.Type().String())
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// readAll returns what the metrics say of the counters.
func readAll(t *testing.T, s Stats) *Reading {
	t.Helper()
	r, err := read(Registry(func() Stats { return s }, "v1"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTable_ShowsEveryCounter sets one field of the counters at a time, and looks for what moves.
func TestTable_ShowsEveryCounter(t *testing.T) {
	var zero Stats
	for _, part := range []struct {
		name string
		of   func(*Stats) reflect.Value
	}{
		{"Broker", func(s *Stats) reflect.Value { return reflect.ValueOf(&s.Broker).Elem() }},
		{"Front", func(s *Stats) reflect.Value { return reflect.ValueOf(&s.Front).Elem() }},
	} {
		for i := range part.of(&zero).NumField() {
			var s Stats
			set(part.of(&s).Field(i), 1)
			name := part.name + "." + part.of(&s).Type().Field(i).Name
			if name == "Broker.Batches" {
				continue // enigma_store_batch_size has it, with what the batches hold
			}
			if name == "Broker.Detached" {
				s.Broker.Attached = 2 // one is a gauge with it
			}
			before, after := readAll(t, zero), readAll(t, s)
			if enigma(before.Values, after.Values) && len(before.Timings) == len(after.Timings) && sum(before) == sum(after) {
				t.Errorf("no metric shows %s", name)
			}
		}
	}
}

// enigma says whether our own numbers are the same.
func enigma(a, b map[string]float64) bool {
	ours := func(m map[string]float64) map[string]float64 {
		m = maps.Clone(m)
		maps.DeleteFunc(m, func(name string, _ float64) bool { return !strings.HasPrefix(name, "enigma_") })
		return m
	}
	return maps.Equal(ours(a), ours(b))
}

func sum(r *Reading) (n uint64) {
	for name, t := range r.Timings {
		if strings.HasPrefix(name, "enigma_") {
			n += t.Counts[len(t.Counts)-1]
		}
	}
	return n
}

// TestTable_AgreesWithTheEndpoint: every metric of the table is shown, with its type, label and meaning, and no other.
func TestTable_AgreesWithTheEndpoint(t *testing.T) {
	families, err := Registry(full, "v1").Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool)
	for _, f := range families {
		name := f.GetName()
		if !strings.HasPrefix(name, "enigma_") {
			continue
		}
		shown[name] = true
		i := slices.IndexFunc(Table, func(m Metric) bool { return m.Name == name })
		if i < 0 {
			t.Errorf("%s is in no table", name)
			continue
		}
		m := &Table[i]
		if !strings.EqualFold(string(m.Kind), f.GetType().String()) || m.Help != f.GetHelp() {
			t.Errorf("%s is a %s: %q; the table says %s: %q", name, f.GetType(), f.GetHelp(), m.Kind, m.Help)
		}
		for _, metric := range f.GetMetric() {
			if len(metric.GetLabel()) > 1 || len(metric.GetLabel()) == 1 != (m.Label != "") || m.Label != "" && metric.GetLabel()[0].GetName() != m.Label {
				t.Errorf("%s has the labels %s, the table says %q", name, metric.GetLabel(), m.Label)
			}
		}
	}
	for _, m := range Table {
		if !shown[m.Name] {
			t.Errorf("%s is in the table and not shown", m.Name)
		}
	}
	var help strings.Builder
	WriteTable(&help)
	for _, m := range Table {
		if !strings.Contains(help.String(), m.Name) || !strings.Contains(help.String(), m.Help) {
			t.Errorf("the help lacks %s", m.Name)
		}
	}
}

// TestTable_KeepsToPrometheusConventions has the library's linter look at it.
func TestTable_KeepsToPrometheusConventions(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(full, "v1"))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestReading_IsWhatPrometheusIsTold compares /metrics.json with /metrics.
func TestReading_IsWhatPrometheusIsTold(t *testing.T) {
	s := newServer(t, Options{})
	text := s.get("/metrics").Body.String()
	for _, want := range []string{"enigma_messages_submitted_total 3\n", `enigma_errors_total{code="REPLACED"} 3`, `enigma_build_info{version="v1"} 1`,
		`enigma_delivery_write_seconds_bucket{le="1.048576"} 3`, "enigma_delivery_write_seconds_sum 3e-06\n", `enigma_store_batch_size_bucket{operation="REPLACED",le="+Inf"} 3`} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	r := readAll(t, full())
	if r.Values["enigma_messages_submitted_total"] != 3 || r.Values["enigma_errors_total{REPLACED}"] != 3 || !slices.Equal(r.Versions, []string{"v1"}) {
		t.Errorf("%v %v", r.Values, r.Versions)
	}
	if timing := r.Timings["enigma_delivery_write_seconds"]; timing.Counts[len(timing.Counts)-1] != 3 || timing.Sum != 3e-6 {
		t.Errorf("%+v", timing)
	}
	if got := s.get("/metrics.json"); got.Code != http.StatusOK || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", got.Code, got.Header())
	}
}

func TestTiming_QuantilesOfWhatCameInBetween(t *testing.T) {
	var h, none actors.Histogram
	h.Observe(100, 7) // of before
	reading := func() Timing {
		s := Stats{}
		s.Broker.WriteTime = h
		return readAll(t, s).Timings["enigma_delivery_write_seconds"]
	}
	before := reading()
	h.Observe(1000, 98) // up to 1.024 ms, above 0.512
	h.Observe(3_000_000, 2)
	d := reading().Since(before)
	if n := d.Counts[len(d.Counts)-1]; n != 100 {
		t.Fatalf("%d values", n)
	}
	for q, want := range map[float64][2]float64{0.5: {512e-6, 1024e-6}, 0.97: {512e-6, 1024e-6}, 0.99: {2.09, 4.2}} {
		if got := d.Quantile(q); got < want[0] || got > want[1] {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	h = none
	if q := reading().Quantile(0.5); q == q {
		t.Errorf("the median of nothing is %v", q)
	}
}

// asked is a server under test.
type asked struct {
	t *testing.T
	*Server
}

func (s asked) get(target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "localhost"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}
