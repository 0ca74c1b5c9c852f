package cond

import (
	"math/rand/v2"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// reference evaluates strict CEL with cel-go's own parser, checker and interpreter: the oracle of the
// lowering for frames in which everything is known.
type reference struct {
	env   *cel.Env
	ours  *Env
	frame *Frame
}

func newReference(tb testing.TB, ours *Env) *reference {
	tb.Helper()
	r := &reference{ours: ours}
	sample := func(name ref.Val) Sample { return r.frame.Samples[ours.slots[string(name.(types.String))]] }
	item := func(name ref.Val) int { return ours.items.number[string(name.(types.String))] }
	opts := []cel.EnvOption{
		cel.Variable("vehicle", cel.DynType),
		cel.Variable("service", cel.MapType(cel.StringType, cel.DoubleType)),
		ask("known", cel.BoolType, func(v ref.Val) ref.Val {
			s := ours.slots[string(v.(types.String))]
			hold := ours.signals[s].HoldMS
			return types.Bool(hold == 0 || r.frame.Now-sample(v).At <= hold)
		}),
		ask("changed", cel.BoolType, func(v ref.Val) ref.Val { return types.Bool(sample(v).Changed == True) }),
		ask("age", cel.DoubleType, func(v ref.Val) ref.Val {
			return types.Double(float64(r.frame.Now-sample(v).At) / 1000)
		}),
		ask("km_since", cel.DoubleType, func(v ref.Val) ref.Val { return types.Double(r.frame.KMSince[item(v)]) }),
		ask("days_since", cel.DoubleType, func(v ref.Val) ref.Val { return types.Double(r.frame.DaysSince[item(v)]) }),
		ask("dtc", cel.BoolType, func(v ref.Val) ref.Val {
			for _, code := range codesOf(r.frame.Sets[ours.slots["dtcs"]]) {
				if naiveGlob(string(v.(types.String)), code) {
					return types.True
				}
			}
			return types.False
		}),
	}
	for _, s := range ours.signals {
		opts = append(opts, cel.Variable(s.Name, map[Kind]*cel.Type{
			NumberSignal: cel.DoubleType, BoolSignal: cel.BoolType, SetSignal: cel.ListType(cel.StringType),
		}[s.Kind]))
	}
	var err error
	if r.env, err = cel.NewEnv(opts...); err != nil {
		tb.Fatal(err)
	}
	return r
}

// ask declares a function of a name.
func ask(name string, result *cel.Type, f func(ref.Val) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.Overload(name, []*cel.Type{cel.StringType}, result, cel.UnaryBinding(f)))
}

func codesOf(c Codes) []string {
	out := []string{}
	for code, rest, ok := c.Next(); ok; code, rest, ok = rest.Next() {
		out = append(out, string(code))
	}
	return out
}

func (r *reference) eval(tb testing.TB, src string, f *Frame) bool {
	tb.Helper()
	r.frame = f
	tree, issues := r.env.Compile(src)
	if issues.Err() != nil {
		tb.Fatalf("reference: %s: %v", src, issues.Err())
	}
	program, err := r.env.Program(tree)
	if err != nil {
		tb.Fatalf("reference: %s: %v", src, err)
	}
	out, _, err := program.Eval(r.variables(f))
	if err != nil {
		tb.Fatalf("reference: %s: %v", src, err)
	}
	return bool(out.(types.Bool))
}

func (r *reference) variables(f *Frame) map[string]any {
	vehicle, service := map[string]any{}, map[string]float64{}
	for i, name := range r.ours.Facts() {
		switch v := f.Facts[i]; {
		case name[0] == 's':
			service[name[len("service."):]] = v.Num
		case v.Kind == Number:
			vehicle[name[len("vehicle."):]] = v.Num
		case v.Kind == Bool:
			vehicle[name[len("vehicle."):]] = v.Num != 0
		case v.Kind == String:
			vehicle[name[len("vehicle."):]] = string(v.Str)
		}
	}
	vars := map[string]any{"vehicle": vehicle, "service": service}
	for i, s := range r.ours.signals {
		switch s.Kind {
		case NumberSignal:
			vars[s.Name] = f.Samples[i].V
		case BoolSignal:
			vars[s.Name] = f.Samples[i].V != 0
		case SetSignal:
			vars[s.Name] = codesOf(f.Sets[i])
		}
	}
	return vars
}

// checkAgainstCEL generates one condition and one frame and compares.
func checkAgainstCEL(t *testing.T, ref *reference, g *generator) {
	t.Helper()
	src := g.condition(1 + g.next(4))
	c, err := Compile(ref.ours, src.ours)
	if err != nil {
		if tooBig(err) {
			return
		}
		t.Fatalf("%s\n%v", src.ours, err)
	}
	f := g.knownFrame(ref.ours)
	if got, want := c.Eval(f), Of(ref.eval(t, src.cel, f)); got != want {
		t.Fatalf("ours %s:\n%s\nCEL %s:\n%s\nframe %+v", got, src.ours, want, src.cel, f)
	}
}

func newGenerator(next func(int) int) *generator { return &generator{next: next, knownness: true} }

// TestAgainstCEL compares the lowering with cel-go's evaluator on random programs.
func TestAgainstCEL(t *testing.T) {
	ref := newReference(t, newTestEnv(t))
	for seed := range uint64(3000) {
		checkAgainstCEL(t, ref, newGenerator(fromRand(rand.New(rand.NewPCG(seed, 1)))))
	}
}

// FuzzAgainstCEL is TestAgainstCEL with programs and frames from fuzz input.
func FuzzAgainstCEL(f *testing.F) {
	ref := newReference(f, newTestEnv(f))
	f.Add([]byte{3, 1, 7, 4, 2, 9, 0, 1, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		checkAgainstCEL(t, ref, newGenerator(fromBytes(data)))
	})
}

// TestUnknownIsMonotone: what is known with part of the frame missing stays so when the rest is learnt.
// It is what makes "unknown neither fires nor clears" safe (E7).
func TestUnknownIsMonotone(t *testing.T) {
	env := newTestEnv(t)
	decided := 0
	for seed := range uint64(20000) {
		g := &generator{next: fromRand(rand.New(rand.NewPCG(seed, 2)))}
		src := g.condition(1 + g.next(3))
		c, err := Compile(env, src.ours)
		if err != nil {
			continue // over a bound
		}
		full := g.knownFrame(env)
		part := g.forget(env, full)
		some, all := c.Eval(part), c.Eval(full)
		if all == Unknown {
			t.Fatalf("%s\nunknown with everything known", src.ours)
		}
		if some != Unknown && some != all {
			t.Fatalf("%s\n%s with part of the frame, %s with all", src.ours, some, all)
		}
		if some != Unknown {
			decided++
		}
	}
	if decided < 5000 || decided > 19000 {
		t.Errorf("%d of 20000 were decided in part: the test sees too little", decided)
	}
}

// forget returns a copy of a frame with about half of it unknown.
func (g *generator) forget(env *Env, full *Frame) *Frame {
	f := env.NewFrame()
	f.Now = full.Now
	for i := range f.Samples {
		if g.next(2) == 0 {
			f.Samples[i], f.Sets[i] = full.Samples[i], full.Sets[i]
		}
	}
	for i := range f.Facts {
		if g.next(2) == 0 {
			f.Facts[i] = full.Facts[i]
		}
	}
	for i := range f.KMSince {
		if g.next(2) == 0 {
			f.KMSince[i], f.DaysSince[i] = full.KMSince[i], full.DaysSince[i]
		}
	}
	return f
}
