package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/sim/oracle"
)

// Generate makes a hostile scenario from a seed: few cars, small numbers, every threshold near.
func Generate(seed uint64) *Scenario {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x6d696c65706f7374))}
	g.scenario = &Scenario{Name: fmt.Sprintf("seed %d", seed), Until: oracle.NoUntil, Zone: pick(g, "", "UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York")}
	g.scenario.Files = g.ruleFiles()
	g.now = time.Date(2026, 3, 27, 22, 0, 0, 0, time.UTC).Add(time.Duration(g.IntN(300)) * 24 * time.Hour)
	g.stamped = !g.chance(5)
	for i := range 1 + g.IntN(3) {
		g.cars = append(g.cars, &car{vin: fmt.Sprintf("V%d", i+1), km: float64(g.IntN(12) * 1000), hours: float64(g.IntN(100)), seq: 100})
	}
	if !g.chance(4) {
		for _, c := range g.cars {
			g.profile(c, true)
		}
	}
	n := 5 + g.IntN(60)
	for range n {
		g.pass()
		g.event(g.cars[g.IntN(len(g.cars))])
	}
	if g.chance(3) && n > 10 {
		for range 1 + g.IntN(2) {
			files := g.ruleFiles()
			if keep := g.IntN(3); keep < 2 {
				files[keep] = g.scenario.Files[keep]
			}
			g.scenario.Reloads = append(g.scenario.Reloads, oracle.Reload{Before: len(g.scenario.Lines) / (1 + g.IntN(4)), Files: files})
		}
		slices.SortFunc(g.scenario.Reloads, func(a, b oracle.Reload) int { return a.Before - b.Before })
	}
	if g.chance(3) {
		g.scenario.Until = g.now.Add(pick(g, time.Minute, 10*time.Minute, 36*time.Hour, 800*time.Hour)).UnixMilli()
	}
	return g.scenario
}

type generator struct {
	*rand.Rand
	scenario *Scenario
	now      time.Time
	stamped  bool // lines carry their arrival
	cars     []*car
	parties  int
}

// car is what a virtual vehicle would say.
type car struct {
	vin   string
	km    float64
	hours float64
	seq   int
	boot  int
	sent  []string
	style int
	raw   float64 // added to what the instrument shows
}

func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) pass() {
	g.now = g.now.Add(pick(g, 0, 0, time.Second, 30*time.Second, time.Minute, 3*time.Minute, 5*time.Minute, 599*time.Second, 10*time.Minute, 11*time.Minute,
		30*time.Minute, time.Hour, 3*time.Hour, 12*time.Hour, 24*time.Hour, 3*24*time.Hour, 10*24*time.Hour))
	if g.chance(30) {
		g.now = g.now.Add(pick(g, 14*24*time.Hour, 35*24*time.Hour, 90*24*time.Hour))
	}
}

func (g *generator) event(c *car) {
	switch n := g.IntN(100); {
	case n < 66:
		g.telemetry(c)
	case n < 74:
		g.profile(c, false)
	case n < 85:
		g.service(c)
	case n < 89:
		g.party()
	case n < 90:
		g.put(nil, fmt.Sprintf(`{"type":"erase","vin":%q}`, c.vin))
	case n < 91:
		g.put(c, fmt.Sprintf(`{"type":"feedback","vin":%q,"time":%s,"about":"a_1","by":"owner","action":"opened"}`, c.vin, g.stamp(g.now)))
	case n < 96:
		g.again(c)
	default:
		g.bad(c)
	}
}

func (g *generator) stamp(t time.Time) string {
	if g.chance(10) {
		return fmt.Sprint(t.UnixMilli())
	}
	return `"` + t.UTC().Format("2006-01-02T15:04:05Z") + `"`
}

// put appends a line, with its arrival when this scenario has arrivals.
func (g *generator) put(c *car, line string) {
	if c != nil {
		c.sent = append(c.sent, line)
	}
	if g.stamped {
		line = strings.TrimSuffix(line, "}") + `,"arrival":"` + g.now.UTC().Format("2006-01-02T15:04:05Z") + `"}`
	}
	g.scenario.Lines = append(g.scenario.Lines, line)
}

// again delivers one of the last lines once more.
func (g *generator) again(c *car) {
	if n := len(c.sent); n > 0 {
		g.meet()
		g.put(c, c.sent[max(0, n-1-g.IntN(10))])
	}
}

// clock is what the car's clock says: mostly right, sometimes behind, in 1970, in 2099, or before a GPS week rollover.
func (g *generator) clock() time.Time {
	switch n := g.IntN(40); {
	case n < 28:
		return g.now
	case n < 34:
		return g.now.Add(-pick(g, time.Second, 30*time.Second, time.Minute, 10*time.Minute, time.Hour, 61*time.Minute, 5*time.Hour, 24*time.Hour))
	case n < 36:
		return g.now.Add(pick(g, time.Second, time.Minute, 5*time.Minute, 5*time.Minute+time.Second, time.Hour))
	case n == 36:
		return time.Unix(0, 0)
	case n == 37:
		return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	case n == 38:
		return g.now.Add(-7168*24*time.Hour + pick(g, 0, time.Hour, -24*time.Hour, 25*time.Hour))
	}
	return g.now.AddDate(0, 0, -pick(g, 29, 30, 31, 40))
}

func (g *generator) telemetry(c *car) {
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"telemetry","vin":%q`, c.vin)
	if !g.stamped || !g.chance(8) {
		fmt.Fprintf(&b, `,"time":%s`, g.stamp(g.clock()))
	}
	if c.style == 0 {
		c.style = 1 + g.IntN(3)
	}
	if c.style > 1 || g.chance(20) {
		c.seq += pick(g, 1, 1, 1, 1, 0, -1, 2, -64, -65)
		fmt.Fprintf(&b, `,"seq":%d`, max(0, c.seq))
		if c.style > 2 {
			if g.chance(15) {
				c.boot++
				c.seq = 1
			}
			fmt.Fprintf(&b, `,"boot":"b%d"`, c.boot)
		}
	}
	fmt.Fprintf(&b, `,"signals":{%s}}`, strings.Join(g.samples(c), ","))
	g.put(c, b.String())
}

// samples are zero to four signals near the thresholds of the rules.
func (g *generator) samples(c *car) []string {
	var out []string
	seen := map[string]bool{}
	for range g.IntN(5) {
		s := g.sample(c)
		name, _, _ := strings.Cut(s, ":")
		if !seen[name] {
			out = append(out, s)
		}
		seen[name] = true
	}
	return out
}

func (g *generator) sample(c *car) string {
	switch g.IntN(16) {
	case 0, 1, 2, 3, 4:
		return g.odometer(c)
	case 5:
		c.hours += pick(g, 0, 0.1, 0.5, 3, 10, 24, 25)
		h := c.hours + c.raw/100
		if g.chance(15) {
			h = pick(g, 0, c.hours+100, max(0, c.hours-3), max(0, c.hours-0.1))
		}
		return fmt.Sprintf(`"engine_hours":%.1f`, max(0, h))
	case 6, 7:
		return fmt.Sprintf(`"coolant_temp":%d`, pick(g, 90, 104, 105, 115, 116, 120, 300))
	case 8:
		return fmt.Sprintf(`"speed":%d`, pick(g, 0, 3, 5, 6, 80, 600))
	case 9:
		return fmt.Sprintf(`"soc":%d`, pick(g, 0, 5, 9, 10, 11, 50, 100))
	case 10:
		return fmt.Sprintf(`"ignition":%v`, g.chance(2))
	case 11:
		return fmt.Sprintf(`"lv_battery_voltage":%s`, pick(g, "11.7", "11.8", "12.5", "null"))
	case 12:
		return `"dtcs":` + pick(g, `[]`, `["P0301"]`, `["P0420"]`, `["P0301","P0420"]`, `["P0420","P0301"]`)
	case 13:
		return fmt.Sprintf(`"alarm_level":%d`, g.IntN(6))
	case 14:
		return pick(g, `"bogus":1`, `"engine_on":true`, `"engine_on":false`, `"mil":true`, `"mil":false`)
	}
	return fmt.Sprintf(`"fuel_level":%d`, g.IntN(100))
}

// odometer grows, and sometimes falls, jumps, turns to miles or starts anew.
func (g *generator) odometer(c *car) string {
	switch n := g.IntN(40); {
	case n < 26:
		c.km += pick(g, 0, 0.4, 1, 10, 49.9, 50, 51, 200, 400, 500, 900)
	case n < 28:
		c.km += pick(g, 1000.0, 1999, 2001, 2500, 4000)
	case n == 28:
		c.raw = pick(g, 0, -c.km, -c.km+5, 5000, -1500, 3000)
	case n == 29:
		return fmt.Sprintf(`"odometer":%.1f`, max(0, (c.km+c.raw)*pick(g, 1.609344, 1.61, 1.602, 1.6173)))
	case n == 30:
		return `"odometer":0`
	case n == 31:
		return fmt.Sprintf(`"odometer":%.1f`, max(0, c.km+c.raw+pick(g, -0.5, -1, -1.1, -60, -3000, 3000, 60000, -20000000)))
	}
	return fmt.Sprintf(`"odometer":%.1f`, max(0, c.km+c.raw))
}

// meet lets every car speak, so that all clocks stand at this moment.
func (g *generator) meet() {
	for _, c := range g.cars {
		g.put(nil, fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{}}`, c.vin))
	}
}

func (g *generator) profile(c *car, whole bool) {
	g.now = g.now.Add(time.Second)
	g.meet()
	var out []string
	add := func(share int, key string, values ...string) {
		if whole && !g.chance(4) || !whole && g.chance(share) {
			out = append(out, fmt.Sprintf(`%q:%s`, key, pick(g, values...)))
		}
	}
	shared := pick(g, `"O1"`, `"O2"`)
	if !g.stamped {
		shared = `"O` + c.vin + `"`
	}
	add(4, "owner", shared, shared, `"`+"O"+c.vin+`"`, `"`+"O"+c.vin+`"`, `null`)
	add(5, "dealer", `"D1"`, `"D2"`, `"D1"`, `null`)
	add(4, "plan", `"a"`, `"b"`, `"none"`, `null`, `"a"`)
	add(8, "powertrain", `"ice"`, `"bev"`, `null`)
	add(8, "timezone", `"Asia/Shanghai"`, `"Europe/Berlin"`, `"America/New_York"`, `"Asia/Kolkata"`, `null`)
	in := g.now.AddDate(0, 0, -g.IntN(500))
	add(6, "in_service", `"`+in.Format("2006-01-02")+`"`, `"`+in.Format("2006-01")+`-01"`, `"2025-08-31"`)
	add(10, "consent", `{"service":false}`, `{"service":true}`, `null`)
	add(6, "plate", `"X1"`, `"X2"`)
	add(8, "year", `2020`, `2021`, `"2021"`)
	line := fmt.Sprintf(`{"type":"vehicle","vin":%q`, c.vin)
	if g.chance(3) {
		line += `,"time":` + g.stamp(g.now.Add(pick(g, 0, -time.Hour, -48*time.Hour, time.Hour)))
	}
	g.put(c, line+`,"profile":{`+strings.Join(out, ",")+`}}`)
}

func (g *generator) service(c *car) {
	at := g.now.Add(-pick(g, 0, 0, 0, time.Hour, 24*time.Hour, 3*24*time.Hour, 20*24*time.Hour, 36*24*time.Hour, 400*24*time.Hour, -23*time.Hour))
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"service","vin":%q`, c.vin)
	if !g.chance(6) {
		fmt.Fprintf(&b, `,"time":%s`, g.stamp(at))
	}
	if !g.chance(4) {
		fmt.Fprintf(&b, `,"odometer":%.1f`, max(0, c.km+c.raw+pick(g, 0.0, 0, 0, 10, -100, -500, -1999, -2100, 1999, 2100, 30000)))
	}
	if g.chance(4) {
		fmt.Fprintf(&b, `,"engine_hours":%.1f`, max(0, c.hours+pick(g, 0, -10, 23, 25.0)))
	}
	if !g.chance(5) {
		fmt.Fprintf(&b, `,"items":[%s]`, pick(g, `"oil"`, `"oil"`, `"air"`, `"oil","air"`, `"insp"`, `"ghost"`, `"oil","air","insp","pump"`))
	}
	if g.chance(5) {
		fmt.Fprintf(&b, `,"codes":[%s]`, pick(g, `"OIL-5"`, `"AIR-1"`, `"OIL-5","X"`, `"ZZZ"`))
	}
	if g.chance(6) {
		b.WriteString(`,"declined":["air"]`)
	}
	if g.chance(12) && c.km+c.raw > 0 {
		fmt.Fprintf(&b, `,"odometer_reset":{"from":%.1f,"to":0}`, c.km+c.raw)
		c.raw = -c.km
	}
	if g.chance(3) {
		fmt.Fprintf(&b, `,"dealer":"D1","order":"RO-%d"`, g.IntN(3))
	}
	g.put(c, b.String()+"}")
}

func (g *generator) party() {
	g.meet()
	id := pick(g, "O1", "O2", "OV1", "OV2", "D1")
	g.parties++
	body := pick(g, `,"consent":{"service":false}`, `,"consent":{"service":true}`, ``, `,"consent":{"marketing":true}`, `,"language":"zh"`)
	if g.chance(3) {
		body += `,"time":` + g.stamp(g.now)
	}
	g.put(nil, fmt.Sprintf(`{"type":"party","id":%q,"role":%q%s,"name":"N%d"}`, id, pick(g, "owner", "dealer"), body, g.parties))
}

// bad is a line that is quarantined (S6).
func (g *generator) bad(c *car) {
	g.put(c, pick(g,
		fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{"odometer":-5}}`, c.vin),
		fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{"odometer":"12"}}`, c.vin),
		fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{"soc":50,"mil":1}}`, c.vin),
		fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{"soc":101,"bogus":1}}`, c.vin),
		fmt.Sprintf(`{"type":"nonsense","vin":%q}`, c.vin),
		`{"type":"telemetry","vin":"no good","signals":{"soc":1}}`,
		fmt.Sprintf(`{"type":"vehicle","vin":%q,"profile":{"timezone":"Mars/Base"}}`, c.vin),
		fmt.Sprintf(`{"type":"telemetry","vin":%q,"time":"yesterday","signals":{"soc":1}}`, c.vin),
		fmt.Sprintf(`{"type":"service","vin":%q,"time":"2031-01-01T00:00:00Z","items":["oil"]}`, c.vin),
		fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{"soc":1},"signals":{"soc":2}}`, c.vin),
	))
}

// ruleFiles makes two files of rules and plans, and a policy.
func (g *generator) ruleFiles() []oracle.File {
	return []oracle.File{
		{Name: "a.yaml", Content: g.rules("a") + g.plans()},
		{Name: "b.yaml", Content: g.rules("b") + g.policy()},
	}
}

func (g *generator) rules(prefix string) string {
	n := g.IntN(4)
	if n == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("rules:\n")
	key := func(share int, name string, values ...string) {
		if g.chance(share) {
			fmt.Fprintf(&b, "    %s: %s\n", name, pick(g, values...))
		}
	}
	for i := range n {
		fmt.Fprintf(&b, "  - id: %s%d\n    when: %s\n", prefix, i, g.when())
		key(3, "for", "30s", "10m", "1h")
		key(3, "until", "coolant_temp < 105", "soc >= 10", `"!ignition"`, "speed == 0")
		key(3, "cooldown", "1h", "24h", "10m")
		key(2, "severity", "info", "advisory", "warning", "critical")
		key(4, "applies_to", `vehicle.powertrain == "ice"`, `vehicle.powertrain != "bev"`, "vehicle.year > 2020")
		key(3, "notify", "{owner: now}", "{owner: now, dealer: lead}", "{dealer: lead}", "{owner: none, dealer: none}")
		key(6, "max_age", "30s", "12h")
		key(10, "shadow", "true")
	}
	return b.String()
}

func (g *generator) when() string {
	one := func() string {
		return pick(g,
			"coolant_temp > 115", "coolant_temp > 115 && speed > 5", "soc < 10", "dtc('P03*')", "!ignition && lv_battery_voltage < 11.8",
			"age(odometer) > 86400", "age(soc) > 3600", "days_since('oil') > 30", "km_since('oil') > 500", "changed(soc) && soc < 50", "changed(dtcs)",
			`vehicle.powertrain == "ice" && speed > 3`, "known(soc) && !known(speed)", "odometer > 5000", "engine_hours > 50", "alarm_level >= 2", "mil",
			"speed / soc > 0.5", "odometer / 1000 - engine_hours < 1", "vehicle.year >= 2021", "ignition ? speed > 5 : soc > 50",
		)
	}
	switch g.IntN(5) {
	case 0:
		return "'" + strings.ReplaceAll(one()+" || "+one(), "'", "''") + "'"
	case 1:
		return "'" + strings.ReplaceAll("("+one()+") && ("+one()+")", "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(one(), "'", "''") + "'"
}

func (g *generator) plans() string {
	var b strings.Builder
	b.WriteString("plans:\n")
	never := g.chance(6)
	for _, id := range []string{"a", "b"} {
		fmt.Fprintf(&b, "  - id: %s\n", id)
		if g.chance(2) {
			fmt.Fprintf(&b, "    applies_to: %s\n", pick(g, `vehicle.powertrain == "ice"`, `vehicle.powertrain == "bev"`, "vehicle.year > 2020"))
		}
		if g.chance(3) {
			b.WriteString("    anchor: plan\n")
			if g.chance(3) {
				fmt.Fprintf(&b, "    early: %s\n", pick(g, "{km: 500}", "{km: 100, days: 10}", "{days: 60}"))
			}
		}
		if g.chance(2) {
			fmt.Fprintf(&b, "    remind: %s\n", pick(g, "{soon: {km: 500, days: 20}, overdue: {km: 200, days: 7}}", "{soon: {km: 300}}", "{overdue: {days: 3, km: 0}}", "{soon: {hours: 5, days: 0}}"))
		}
		if g.chance(2) {
			fmt.Fprintf(&b, "    notify: %s\n", pick(g, "{soon: {owner: none, dealer: lead}}", "{soon: {owner: now, dealer: none}}", "{due: {owner: none}, overdue: {owner: now}}", "{overdue: {dealer: lead}}"))
		}
		if never {
			b.WriteString("    history: never\n")
		}
		b.WriteString("    items:\n")
		for _, item := range []string{"oil", "air", "insp", "pump"} {
			if g.chance(3) && !(id == "a" && item == "oil") { // rules speak of oil
				continue
			}
			fmt.Fprintf(&b, "      - id: %s\n", item)
			if item == "oil" || item == "air" {
				fmt.Fprintf(&b, "        codes: [\"%s-*\"]\n", strings.ToUpper(item))
			}
			every := pick(g, "{km: 1000}", "{km: 2000, months: 1}", "{km: 5000, months: 6}", "{months: 1}", "{months: 3}", "{hours: 50}", "{km: 3000, hours: 30, months: 2}")
			if g.chance(8) {
				fmt.Fprintf(&b, "        first: %s\n", every)
				continue
			}
			if g.chance(3) {
				fmt.Fprintf(&b, "        first: %s\n", pick(g, "{km: 1500}", "{months: 1}", "{km: 500, months: 2}", "{hours: 20}"))
			}
			fmt.Fprintf(&b, "        every: %s\n", every)
		}
		b.WriteString("      - id: zz\n        every: {km: 7000}\n")
	}
	return b.String()
}

func (g *generator) policy() string {
	var b strings.Builder
	b.WriteString("policy:\n")
	fmt.Fprintf(&b, "  group: {wait: %s}\n", pick(g, "0s", "10m", "10m", "12h"))
	if g.chance(2) {
		fmt.Fprintf(&b, "  day_starts: %q\n", pick(g, "00:00", "09:00", "02:30", "22:15"))
	}
	if g.chance(3) {
		fmt.Fprintf(&b, "  consent_default: %s\n", pick(g, "granted", "denied"))
	}
	return b.String()
}
