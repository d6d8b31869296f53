package main

import (
	"reflect"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
)

// TestMetrics_ShowEveryCounter sets one field of the broker's counters at a time and looks for it.
func TestMetrics_ShowEveryCounter(t *testing.T) {
	fields := reflect.TypeFor[actors.Stats]()
	for i := range fields.NumField() {
		var stats actors.Stats
		switch field := reflect.ValueOf(&stats).Elem().Field(i); field.Kind() {
		case reflect.Uint64:
			field.SetUint(1)
		case reflect.Int64:
			field.SetInt(1)
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Map:
			continue // by code, beside the table
		default:
			t.Fatalf("%s is of a kind that this test does not know", fields.Field(i).Name)
		}
		shown := false
		for _, m := range metrics {
			shown = shown || m.value(&stats) != 0
		}
		if !shown {
			t.Errorf("no metric shows %s", fields.Field(i).Name)
		}
	}
}
