package limitlog_test

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest/limitlog"
)

func TestOneLineACause(t *testing.T) {
	type cause uint8
	var out strings.Builder
	l := limitlog.New(zerolog.New(&out), cause(2))
	for range 3 {
		l.Warn(0).Msg("zero")
		l.Error(1).Msg("one")
	}
	if got := out.String(); strings.Count(got, "zero") != 1 || strings.Count(got, "one") != 1 {
		t.Errorf("logged %s", got)
	}
}
