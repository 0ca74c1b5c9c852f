package cond

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// generator makes random conditions from a source of choices, each in two texts: ours, with the liberties
// of this language (integer literals beside doubles, either quote, spare parentheses), and strict CEL,
// where what is asked about a sample is asked by the signal's name.
type generator struct {
	next func(n int) int // a choice in [0, n)
	// knownness allows known, has and changed, which are not monotone in what is known.
	knownness bool
}

// text is one expression in both languages.
type text struct{ ours, cel string }

func both(s string) text { return text{s, s} }

// fromBytes makes choices from fuzz input; the first choice always, when it ends.
func fromBytes(data []byte) func(int) int {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		c := int(data[0]) % n
		data = data[1:]
		return c
	}
}

func fromRand(r *rand.Rand) func(int) int { return r.IntN }

func pick[T any](g *generator, of ...T) T { return of[g.next(len(of))] }

func (g *generator) join(format string, parts ...text) text {
	a, b := make([]any, len(parts)), make([]any, len(parts))
	for i, p := range parts {
		a[i], b[i] = p.ours, p.cel
	}
	t := text{fmt.Sprintf(format, a...), fmt.Sprintf(format, b...)}
	t.cel = "(" + t.cel + ")"
	t.ours = pick(g, "(", " ( (", "(\n") + t.ours + strings.Repeat(")", 1)
	t.ours += strings.Repeat(")", strings.Count(t.ours, "(")-strings.Count(t.ours, ")"))
	return t
}

func (g *generator) condition(depth int) text {
	if depth == 0 {
		return pick(g, both("ignition"), both("charging"), both("vehicle.taxi"), both("true"), both("mil"))
	}
	d := depth - 1
	switch g.next(14) {
	case 0:
		return g.condition(0)
	case 1, 2:
		return g.join("%s && %s", g.condition(d), g.condition(d))
	case 3, 4:
		return g.join("%s || %s", g.condition(d), g.condition(d))
	case 5:
		return g.join("!%s", g.condition(d))
	case 6:
		return g.join("%s "+pick(g, "==", "!=")+" %s", g.condition(d), g.condition(d))
	case 7, 8:
		return g.join("%s "+pick(g, "==", "!=", "<", "<=", ">", ">=")+" %s", g.number(d), g.number(d))
	case 9:
		return g.join("%s "+pick(g, "==", "!=", "<", "<=", ">", ">=")+" %s", g.words(d), g.words(d))
	case 10:
		return g.join("%s ? %s : %s", g.condition(d), g.condition(d), g.condition(d))
	case 11:
		return g.membership(d)
	case 12:
		return g.textTest(d)
	default:
		if g.knownness {
			return g.about()
		}
		return g.condition(0)
	}
}

func (g *generator) membership(d int) text {
	switch g.next(4) {
	case 0:
		return g.join("%s in [%s, %s, %s]", g.number(d), g.literal(), g.literal(), g.literal())
	case 1:
		return g.join("%s in [%s, %s]", g.words(d), g.quoted(), g.quoted())
	case 2:
		return g.join("%s in "+pick(g, "dtcs", "alarms"), g.words(d))
	default:
		return g.join("dtc(%s)", quote(g, pick(g, "P03*", "*", "P0?01", "*1", "P0301", "x*y", "*3*0*")))
	}
}

func (g *generator) about() text {
	s := pick(g, "speed", "soc", "odometer", "ignition", "dtcs")
	switch g.next(3) {
	case 0:
		return text{"known(" + s + ")", "known('" + s + "')"}
	case 1:
		return text{"changed (" + s + ")", "changed('" + s + "')"}
	default:
		return both("has(" + pick(g, "vehicle.model", "vehicle.year", "vehicle.plate", "service.last_km") + ")")
	}
}

func (g *generator) textTest(d int) text {
	x := g.words(d)
	if strings.HasPrefix(x.ours, "vehicle") || strings.HasPrefix(x.ours, "'") {
		return g.join("%s."+pick(g, "startsWith", "endsWith", "contains")+"(%s)", x, g.words(d))
	}
	return g.join("(%s)."+pick(g, "startsWith", "endsWith", "contains")+"(%s)", x, g.words(d))
}

func (g *generator) number(depth int) text {
	if depth == 0 {
		if g.next(2) == 0 {
			return g.literal()
		}
		return pick(g, both("speed"), both("soc"), both("odometer"), both("vehicle.year"),
			both("service.count"), both("service.last_km"))
	}
	d := depth - 1
	switch g.next(8) {
	case 0:
		return g.number(0)
	case 1:
		s := pick(g, "speed", "soc", "odometer", "mil", "alarms")
		return text{"age(" + s + ")", "age('" + s + "')"}
	case 2:
		return g.join(pick(g, "km_since", "days_since")+"(%s)", quote(g, pick(g, "engine-oil", "brake-fluid")))
	case 3, 4:
		return g.join("%s "+pick(g, "+", "-", "*")+" %s", g.number(d), g.number(d))
	case 5:
		e := g.number(d)
		return g.join("%s / (%s * %s + %s)", g.number(d), e, e, text{"1", "1.0"}) // never a zero
	case 6:
		return g.join("-%s", g.join("%s", g.number(d)))
	default:
		return g.join("%s ? %s : %s", g.condition(d), g.number(d), g.number(d))
	}
}

func (g *generator) literal() text {
	v := float64(g.next(41)-10) / pick(g, 1.0, 1.0, 2.0, 8.0)
	strict := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(strict, ".") {
		return text{pick(g, strict, strict+".0", strict+"e0"), strict + ".0"}
	}
	return both(strict)
}

func (g *generator) words(depth int) text {
	if depth == 0 || g.next(3) > 0 {
		return pick(g, both("vehicle.model"), both("vehicle.code"), g.quoted())
	}
	d := depth - 1
	return g.join("%s ? %s : %s", g.condition(d), g.words(d), g.words(d))
}

func (g *generator) quoted() text {
	return quote(g, pick(g, "A5", "A", "P0301", "", "发动机", "a'b\\n"))
}

func quote(g *generator, s string) text {
	strict := strconv.Quote(s)
	if strings.ContainsAny(s, `'\`) {
		return both(strict)
	}
	return text{pick(g, "'"+s+"'", strict), strict}
}

// knownFrame fills a frame so that every read is known.
func (g *generator) knownFrame(env *Env) *Frame {
	f := env.NewFrame()
	f.Now = 1_000_000
	for i, s := range env.signals {
		f.Samples[i] = Sample{Seen: true, At: f.Now - int64(g.next(600))*1000, Changed: pick(g, True, False)}
		switch s.Kind {
		case NumberSignal:
			f.Samples[i].V = pick(g, 0, 1, -3, 5, 63.25, 19987.4, 0.1)
		case BoolSignal:
			f.Samples[i].V = float64(g.next(2))
		case SetSignal:
			for _, code := range []string{"P0301", "P0420", "A5", "发动机"}[g.next(4):] {
				f.Sets[i], _ = AppendCode(f.Sets[i], code)
			}
		}
	}
	for i, name := range env.Facts() {
		switch name {
		case "vehicle.model", "vehicle.code":
			f.Facts[i] = Fact{Kind: String, Str: []byte(pick(g, "A5", "A4", "P0301", "发动机", ""))}
		case "vehicle.taxi":
			f.Facts[i] = Fact{Kind: Bool, Num: float64(g.next(2))}
		case "vehicle.plate": // absent: only has() asks for it
		default:
			f.Facts[i] = Fact{Kind: Number, Num: pick(g, 3.0, 2024, 0, 10500.5)}
		}
	}
	for i := range f.KMSince {
		f.KMSince[i], f.DaysSince[i] = pick(g, 0, 9500.5, -20), pick(g, 0.0, 200, 365)
	}
	return f
}
