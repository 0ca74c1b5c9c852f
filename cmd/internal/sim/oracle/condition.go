package oracle

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// condition is a parsed CEL text with what it reads (S11).
type condition struct {
	text    string // the tree written out, so that spaces do not count
	root    ast.Expr
	signals map[string]bool
	facts   map[string]bool // paths below vehicle
	items   map[string]bool // of km_since and days_since
	hourly  bool
}

func parseCondition(text string) (*condition, error) {
	if text == "" {
		return nil, nil
	}
	p, err := parser.NewParser()
	if err != nil {
		return nil, err
	}
	tree, errs := p.Parse(common.NewTextSource(text))
	if errs != nil && len(errs.GetErrors()) > 0 {
		return nil, fmt.Errorf("%s", errs.ToDisplayString())
	}
	c := &condition{root: tree.Expr(), signals: map[string]bool{}, facts: map[string]bool{}, items: map[string]bool{}}
	if c.text, err = parser.Unparse(tree.Expr(), tree.SourceInfo()); err != nil {
		return nil, err
	}
	c.collect(c.root)
	return c, nil
}

func (c *condition) collect(x ast.Expr) {
	switch x.Kind() {
	case ast.IdentKind:
		c.signals[x.AsIdent()] = true
	case ast.SelectKind:
		c.facts[factPath(x)] = true
	case ast.ListKind:
		for _, e := range x.AsList().Elements() {
			c.collect(e)
		}
	case ast.CallKind:
		call := x.AsCall()
		switch call.FunctionName() {
		case "age":
			c.hourly = true
		case "days_since":
			c.hourly = true
			c.items[literalString(call.Args()[0])] = true
		case "km_since":
			c.signals["odometer"] = true
			c.items[literalString(call.Args()[0])] = true
		case "dtc":
			c.signals["dtcs"] = true
		}
		for _, a := range call.Args() {
			c.collect(a)
		}
	}
}

// factPath is the path below vehicle of vehicle.a.b: "a.b".
func factPath(x ast.Expr) string {
	s := x.AsSelect()
	if s.Operand().Kind() == ast.IdentKind {
		return s.FieldName()
	}
	return factPath(s.Operand()) + "." + s.FieldName()
}

func literalString(x ast.Expr) string {
	if x.Kind() != ast.LiteralKind {
		return ""
	}
	s, _ := x.AsLiteral().Value().(string)
	return s
}

// moment is when a condition is evaluated: rule time, and what the record at hand carries.
type moment struct {
	tau     int64
	present map[string]bool // signals with a sample in this record that is not late
}

// An evaluated value is a bool, float64, string or []string; nil is unknown.
type evaluation struct {
	v *vehicle
	m moment
}

// eval answers true, false or unknown (nil).
func (v *vehicle) eval(c *condition, m moment) any {
	b, known := evaluation{v, m}.value(c.root).(bool)
	if !known {
		return nil
	}
	return b
}

func (ev evaluation) value(x ast.Expr) any {
	switch x.Kind() {
	case ast.LiteralKind:
		return literal(x)
	case ast.IdentKind:
		return ev.signal(x.AsIdent())
	case ast.SelectKind:
		return ev.v.fact(factPath(x))
	case ast.CallKind:
		return ev.call(x.AsCall())
	}
	panic(fmt.Sprintf("oracle: expression kind %v", x.Kind()))
}

// literal: integers are doubles (S10).
func literal(x ast.Expr) any {
	switch l := x.AsLiteral().(type) {
	case types.Bool:
		return bool(l)
	case types.Double:
		return float64(l)
	case types.Int:
		return float64(l)
	case types.String:
		return string(l)
	}
	panic("oracle: literal")
}

// signal is S9: the newest sample while it holds. Sets only serve dtc() and in.
func (ev evaluation) signal(name string) any {
	s, seen := ev.v.condSample(name)
	if !seen {
		return nil
	}
	if hold := ev.v.w.set.catalogue[name].holdMS; hold > 0 && ev.m.tau-s.e > hold {
		return nil
	}
	return s.value
}

// condSample: odometer and engine_hours are the accepted values with their e (S25).
func (v *vehicle) condSample(name string) (sample, bool) {
	if m := v.meterOf(name); m != nil {
		return sample{value: float64(m.k) / 1000, e: m.ek, n: m.accepted, before: float64(m.kBefore) / 1000}, m.known
	}
	s, ok := v.samples[name]
	return s, ok
}

// fact is a profile fact (S10).
func (v *vehicle) fact(path string) any {
	var at any = v.profile
	for _, p := range strings.Split(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[p]
	}
	switch x := at.(type) {
	case string, bool, float64:
		return x
	}
	return nil
}

// call is S10: Kleene's logic, unknown spreads through the rest.
func (ev evaluation) call(c ast.CallExpr) any {
	args := c.Args()
	switch c.FunctionName() {
	case operators.LogicalAnd:
		return kleene(false, ev.value(args[0]), ev.value(args[1]))
	case operators.LogicalOr:
		return kleene(true, ev.value(args[0]), ev.value(args[1]))
	case operators.LogicalNot:
		if b, ok := ev.value(args[0]).(bool); ok {
			return !b
		}
		return nil
	case operators.Conditional:
		b, ok := ev.value(args[0]).(bool)
		switch {
		case !ok:
			return nil
		case b:
			return ev.value(args[1])
		}
		return ev.value(args[2])
	case operators.Negate:
		if n, ok := ev.value(args[0]).(float64); ok {
			return -n
		}
		return nil
	case operators.In:
		return ev.in(args[0], args[1])
	case "known":
		return ev.value(args[0]) != nil
	case "age":
		if s, seen := ev.v.condSample(args[0].AsIdent()); seen {
			return float64(ev.m.tau-s.e) / 1000
		}
		return nil
	case "changed":
		return ev.changed(args[0].AsIdent())
	case "dtc":
		return ev.dtc(literalString(args[0]))
	case "km_since":
		return ev.kmSince(literalString(args[0]))
	case "days_since":
		return ev.daysSince(literalString(args[0]))
	}
	return compare(c.FunctionName(), ev.value(args[0]), ev.value(args[1]))
}

// kleene: one operand that decides is enough, otherwise both must be known.
func kleene(decides bool, a, b any) any {
	if a == decides || b == decides {
		return decides
	}
	if a == nil || b == nil {
		return nil
	}
	return !decides
}

func compare(op string, a, b any) any {
	if a == nil || b == nil || reflect.TypeOf(a) != reflect.TypeOf(b) {
		return nil
	}
	switch op {
	case operators.Equals:
		return a == b
	case operators.NotEquals:
		return a != b
	}
	if x, ok := a.(string); ok {
		y := b.(string)
		switch op {
		case operators.Less:
			return x < y
		case operators.LessEquals:
			return x <= y
		case operators.Greater:
			return x > y
		case operators.GreaterEquals:
			return x >= y
		}
	}
	x, ok := a.(float64)
	if !ok {
		return nil
	}
	y := b.(float64)
	switch op {
	case operators.Less:
		return x < y
	case operators.LessEquals:
		return x <= y
	case operators.Greater:
		return x > y
	case operators.GreaterEquals:
		return x >= y
	case operators.Add:
		return finite(x + y)
	case operators.Subtract:
		return finite(x - y)
	case operators.Multiply:
		return finite(x * y)
	case operators.Divide:
		if y == 0 {
			return nil
		}
		return finite(x / y)
	}
	panic("oracle: operator " + op)
}

func finite(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return x
}

// in: a value in a list of literals, or a name in a set signal.
func (ev evaluation) in(what, where ast.Expr) any {
	x := ev.value(what)
	if x == nil {
		return nil
	}
	if where.Kind() == ast.ListKind {
		for _, e := range where.AsList().Elements() {
			if compare(operators.Equals, x, ev.value(e)) == true {
				return true
			}
		}
		return false
	}
	set, known := ev.value(where).([]string)
	if !known {
		return nil
	}
	for _, s := range set {
		if s == x {
			return true
		}
	}
	return false
}

// changed (S10): unknown before two samples, then false when the record lacks s.
func (ev evaluation) changed(name string) any {
	s, _ := ev.v.condSample(name)
	if s.n < 2 {
		return nil
	}
	if !ev.m.present[name] {
		return false
	}
	return !reflect.DeepEqual(s.value, s.before)
}

// dtc (S19): a present code matches the glob; unknown before the first set.
func (ev evaluation) dtc(glob string) any {
	set, known := ev.signal("dtcs").([]string)
	if !known {
		return nil
	}
	for _, code := range set {
		if globs(glob, code) {
			return true
		}
	}
	return false
}

// globs matches * (any run) and ? (one character).
func globs(glob, text string) bool {
	switch {
	case glob == "":
		return text == ""
	case glob[0] == '*':
		return globs(glob[1:], text) || text != "" && globs(glob, text[1:])
	case text == "":
		return false
	}
	return (glob[0] == '?' || glob[0] == text[0]) && globs(glob[1:], text[1:])
}

func (ev evaluation) kmSince(item string) any {
	s := ev.v.lastService(item)
	if s == nil || !ev.v.odometer.known {
		return nil
	}
	km, known := ev.v.reading(s, odometerReading)
	if !known {
		return nil
	}
	return float64(ev.v.odometer.k-km) / 1000
}

// daysSince counts calendar days of the vehicle's zone; day_starts plays no part (S10).
func (ev evaluation) daysSince(item string) any {
	s := ev.v.lastService(item)
	if s == nil {
		return nil
	}
	return float64(ev.v.localDate(ev.m.tau) - s.date)
}
