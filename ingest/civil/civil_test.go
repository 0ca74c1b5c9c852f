package civil

import (
	"testing"
	"time"
)

// Every day of the years -400 to 9999 against package time, both ways.
func TestDaysAndDate(t *testing.T) {
	at := time.Date(-400, 1, 1, 0, 0, 0, 0, time.UTC)
	for want := int(at.Unix() / 86_400); ; want++ {
		y, m, d := at.Date()
		if y > 9999 {
			break
		}
		if got := Days(y, int(m), d); got != want {
			t.Fatalf("%04d-%02d-%02d is day %d, want %d", y, m, d, got, want)
		}
		if y2, m2, d2 := Date(want); y2 != y || m2 != int(m) || d2 != d {
			t.Fatalf("day %d is %04d-%02d-%02d, want %04d-%02d-%02d", want, y2, m2, d2, y, m, d)
		}
		next := at.AddDate(0, 0, 1)
		if next.Day() == 1 && DaysIn(y, int(m)) != d {
			t.Fatalf("%04d-%02d has %d days, want %d", y, m, DaysIn(y, int(m)), d)
		}
		at = next
	}
}

func TestFloorDiv(t *testing.T) {
	for _, x := range [][3]int64{{7, 3, 2}, {6, 3, 2}, {0, 3, 0}, {-1, 3, -1}, {-3, 3, -1}, {-4, 3, -2}} {
		if got := FloorDiv(x[0], x[1]); got != x[2] {
			t.Errorf("%d/%d is %d, want %d", x[0], x[1], got, x[2])
		}
	}
}
