package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// S6, S9: the ranges and holds that users are told.
func TestBuiltinCatalogueHoldsRangesAndHolds(t *testing.T) {
	const minutes10 = 600_000
	want := map[string]Signal{
		"odometer":           {Kind: Number, Unit: "km", Min: 0, Max: 9_999_999, Stored: true},
		"trip_km":            {Kind: Number, Unit: "km", Min: 0, Max: 100_000, Stored: true},
		"speed":              {Kind: Number, Unit: "km/h", Min: 0, Max: 500, Hold: minutes10, Stored: true},
		"ignition":           {Kind: Bool, Hold: minutes10, Stored: true},
		"engine_on":          {Kind: Bool, Hold: minutes10, Stored: true},
		"charging":           {Kind: Bool, Hold: minutes10, Stored: true},
		"engine_hours":       {Kind: Number, Unit: "h", Min: 0, Max: 1_000_000, Stored: true},
		"energy_total":       {Kind: Number, Unit: "kWh", Min: 0, Max: 10_000_000, Stored: true},
		"coolant_temp":       {Kind: Number, Unit: "°C", Min: -60, Max: 250, Hold: minutes10, Stored: true},
		"oil_temp":           {Kind: Number, Unit: "°C", Min: -60, Max: 250, Hold: minutes10, Stored: true},
		"ambient_temp":       {Kind: Number, Unit: "°C", Min: -60, Max: 80, Hold: minutes10, Stored: true},
		"lv_battery_voltage": {Kind: Number, Unit: "V", Min: 0, Max: 60, Hold: minutes10, Stored: true},
		"soc":                {Kind: Number, Unit: "%", Min: 0, Max: 100, Stored: true},
		"soh":                {Kind: Number, Unit: "%", Min: 0, Max: 100, Stored: true},
		"fuel_level":         {Kind: Number, Unit: "%", Min: 0, Max: 100, Stored: true},
		"oil_life":           {Kind: Number, Unit: "%", Min: 0, Max: 100, Stored: true},
		"pack_voltage":       {Kind: Number, Unit: "V", Min: 0, Max: 2000, Hold: minutes10, Stored: true},
		"pack_current":       {Kind: Number, Unit: "A", Min: -3000, Max: 3000, Hold: minutes10, Stored: true},
		"pack_temp_max":      {Kind: Number, Unit: "°C", Min: -60, Max: 250, Hold: minutes10, Stored: true},
		"pack_temp_min":      {Kind: Number, Unit: "°C", Min: -60, Max: 250, Hold: minutes10, Stored: true},
		"cell_voltage_max":   {Kind: Number, Unit: "V", Min: 0, Max: 20, Hold: minutes10, Stored: true},
		"cell_voltage_min":   {Kind: Number, Unit: "V", Min: 0, Max: 20, Hold: minutes10, Stored: true},
		"insulation":         {Kind: Number, Unit: "kΩ", Min: 0, Max: 100_000, Stored: true},
		"alarm_level":        {Kind: Number, Min: 0, Max: 4, Stored: true},
		"alarms":             {Kind: CodeSet, Stored: true},
		"dtcs":               {Kind: CodeSet, Stored: true},
		"mil":                {Kind: Bool, Stored: true},
		"latitude":           {Kind: Number, Unit: "°", Min: -90, Max: 90},
		"longitude":          {Kind: Number, Unit: "°", Min: -180, Max: 180},
	}
	for _, wheel := range []string{"fl", "fr", "rl", "rr"} {
		want["tire_pressure_"+wheel] = Signal{Kind: Number, Unit: "kPa", Min: 0, Max: 2000, Stored: true}
		want["brake_wear_"+wheel] = Signal{Kind: Number, Unit: "%", Min: 0, Max: 100, Stored: true}
	}
	c := BuiltinCatalogue()
	for name, w := range want {
		i, ok := c.Index(name)
		if !ok {
			t.Errorf("no signal %s", name)
			continue
		}
		s := c.Signal(i)
		if s.Kind != w.Kind || s.Unit != w.Unit || s.Hold != w.Hold || s.Stored != w.Stored {
			t.Errorf("%s = %+v, want %+v", name, *s, w)
		}
		if s.Kind == Number && (s.Min != w.Min || s.Max != w.Max) {
			t.Errorf("range of %s = %v..%v, want %v..%v", name, s.Min, s.Max, w.Min, w.Max)
		}
		if s.Label["en"] == "" || s.Label["zh"] == "" || s.Description == "" {
			t.Errorf("%s lacks a label or a description", name)
		}
	}
	if extra := c.Len() - len(want); extra != 2 { // distance_to_service, time_to_service
		t.Errorf("%d signals beyond the %d named here, want 2", extra, len(want))
	}
}

func TestCatalogueLookup(t *testing.T) {
	c := BuiltinCatalogue()
	for i := range c.Len() {
		s := c.Signal(i)
		if got, ok := c.Lookup([]byte(s.Name)); !ok || got != i {
			t.Errorf("Lookup(%q) = %d, %v, want %d", s.Name, got, ok, i)
		}
		if got, ok := c.IndexID(s.ID); !ok || got != i {
			t.Errorf("IndexID(%08x) = %d, %v, want %d", s.ID, got, ok, i)
		}
		for _, other := range []string{s.Name + "x", s.Name[1:], strings.ToUpper(s.Name), ""} {
			if _, ok := c.Lookup([]byte(other)); ok {
				t.Errorf("Lookup(%q) found a signal", other)
			}
		}
	}
	name := []byte("tire_pressure_rr")
	if n := testing.AllocsPerRun(100, func() { c.Lookup(name) }); n != 0 {
		t.Errorf("Lookup allocates %v times", n)
	}
}

// Names that agree in length, first and last eight bytes share a hash; all must still be found.
func TestCatalogueLookupOfEqualHashes(t *testing.T) {
	var file strings.Builder
	file.WriteString("signals:\n")
	for i := range 300 {
		fmt.Fprintf(&file, "  - {name: same_front_%03d_same_back, kind: number}\n", i)
	}
	c, err := LoadCatalogue("user.yaml", []byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if got, ok := c.Index(fmt.Sprintf("same_front_%03d_same_back", i)); !ok || got != BuiltinCatalogue().Len()+i {
			t.Fatalf("signal %d found at %d, %v", i, got, ok)
		}
	}
}

func TestLoadCatalogueExtendsAndOverrides(t *testing.T) {
	c, err := LoadCatalogue("user.yaml", []byte(`
signals:
  - name: vacuum_pressure
    kind: number
    unit: kPa
    range: [-100, 0]
    sentinels: [-99.9]
    hold: 90s
    label: {en: Vacuum}
  - name: speed
    range: [0, 300]
    hold: ever
    label: {de: Tempo}
`))
	if err != nil {
		t.Fatal(err)
	}
	i, _ := c.Index("vacuum_pressure")
	s := c.Signal(i)
	if i != BuiltinCatalogue().Len() || s.Hold != 90_000 || !s.Stored || s.InRange(-99.9) || !s.InRange(-99) || s.InRange(1) {
		t.Errorf("vacuum_pressure at %d is %+v", i, *s)
	}
	j, _ := c.Index("speed")
	if got := c.Signal(j); got.Max != 300 || got.Hold != HoldForever || got.Unit != "km/h" || got.Label["de"] != "Tempo" || got.Label["zh"] != "车速" {
		t.Errorf("speed is %+v", *got)
	}
	if got := BuiltinCatalogue().Signal(j); got.Max != 500 || got.Label["de"] != "" {
		t.Errorf("the built-in speed changed: %+v", *got)
	}
}

func TestLoadCatalogueOfNothingIsBuiltin(t *testing.T) {
	for _, content := range []string{"", "# only a comment\n", "signals: []\n"} {
		c, err := LoadCatalogue("user.yaml", []byte(content))
		if err != nil || c.Len() != BuiltinCatalogue().Len() {
			t.Errorf("LoadCatalogue(%q): %v", content, err)
		}
	}
}

// The stored id of a signal never changes: documents on disk hold it.
func TestSignalIDIsStable(t *testing.T) {
	i, _ := BuiltinCatalogue().Index("odometer")
	if got, want := BuiltinCatalogue().Signal(i).ID, uint32(0x95d7e298); got != want {
		t.Errorf("id of odometer = %08x, want %08x", got, want)
	}
}

// costarring and liquid are the textbook collision of 32-bit FNV-1a.
func TestLoadCatalogueRefusesEqualIDs(t *testing.T) {
	_, err := LoadCatalogue("user.yaml", []byte("signals:\n  - {name: costarring, kind: bool}\n  - {name: liquid, kind: bool}\n"))
	if err == nil || !strings.Contains(err.Error(), "expected another name") {
		t.Errorf("error = %v", err)
	}
}

// Each file of testdata/catalogue is refused with the message beside it.
func TestLoadCatalogueErrors(t *testing.T) {
	files, err := os.ReadDir("testdata/catalogue")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, isCase := strings.CutSuffix(f.Name(), ".yaml")
		if !isCase {
			continue
		}
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile("testdata/catalogue/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			_, err = LoadCatalogue(f.Name(), content)
			if err == nil {
				t.Fatal("the file was taken")
			}
			golden := "testdata/catalogue/" + name + ".golden"
			if os.Getenv("REWRITE") != "" {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}
