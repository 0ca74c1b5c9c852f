package statetest_test

import (
	"errors"
	"testing"

	"github.com/milepost-io/milepost/state/log"
	"github.com/milepost-io/milepost/state/log/logtest"
	"github.com/milepost-io/milepost/state/statetest"
)

func TestLog(t *testing.T) {
	logtest.Run(t, logtest.Options{New: func(t *testing.T) logtest.Instance {
		l := statetest.NewLog(log.ID{1}, 2, 2)
		t.Cleanup(func() { l.Close() })
		return logtest.Instance{Log: l, Fail: func() { l.Fail(errors.New("disk gone")) }}
	}})
}
