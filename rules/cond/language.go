package cond

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/stdlib"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// language is cel-go's part: the syntax, and the types of CEL as the last word on what is CEL at all.
type language struct {
	parser  *parser.Parser
	checker *checker.Env
}

// newLanguage declares the signals, vehicle, service and the functions.
func newLanguage(signals []Signal) (*language, error) {
	p, err := parser.NewParser(
		parser.EnablePrattParser(true),
		parser.Macros(parser.HasMacro),
		parser.MaxRecursionDepth(MaxDepth),
		parser.ExpressionSizeCodePointLimit(MaxLength),
		parser.ErrorRecoveryLimit(1),
		parser.EnableIdentEscapeSyntax(false),
	)
	if err != nil {
		return nil, fmt.Errorf("make the CEL parser: %w", err)
	}
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the CEL type registry: %w", err)
	}
	c, err := checker.NewEnv(containers.DefaultContainer, registry)
	if err != nil {
		return nil, fmt.Errorf("make the CEL checker: %w", err)
	}
	if err := c.AddFunctions(stdlib.Functions()...); err != nil {
		return nil, fmt.Errorf("declare the CEL operators: %w", err)
	}
	if err := addFunctions(c); err != nil {
		return nil, err
	}
	vars := []*decls.VariableDecl{
		decls.NewVariable(vehicleRoot, types.DynType),
		decls.NewVariable(serviceRoot, types.NewMapType(types.StringType, types.DoubleType)),
	}
	for _, s := range signals {
		vars = append(vars, decls.NewVariable(s.Name, celType(s.Kind)))
	}
	if err := c.AddIdents(vars...); err != nil {
		return nil, fmt.Errorf("declare the signals: %w", err)
	}
	return &language{parser: p, checker: c}, nil
}

func celType(k Kind) *types.Type {
	switch k {
	case BoolSignal:
		return types.BoolType
	case SetSignal:
		return types.NewListType(types.StringType)
	default:
		return types.DoubleType
	}
}

// addFunctions declares the functions of this version as CEL sees them, each of one argument.
func addFunctions(c *checker.Env) error {
	for _, d := range []struct {
		name        op
		arg, result *types.Type
	}{
		{opKnown, types.DynType, types.BoolType},
		{opAge, types.DynType, types.DoubleType},
		{opChanged, types.DynType, types.BoolType},
		{opDTC, types.StringType, types.BoolType},
		{opKMSince, types.StringType, types.DoubleType},
		{opDaysSince, types.StringType, types.DoubleType},
	} {
		name := string(d.name)
		f, err := decls.NewFunction(name, decls.Overload(name, []*types.Type{d.arg}, d.result))
		if err != nil {
			return fmt.Errorf("declare %s: %w", name, err)
		}
		if err := c.AddFunctions(f); err != nil {
			return fmt.Errorf("declare %s: %w", name, err)
		}
	}
	return nil
}

// parse returns the syntax tree with every integer literal made a double (S10).
func (l *language) parse(src string) (*ast.AST, *Error) {
	if len(src) > MaxLength {
		return nil, &Error{Line: 1, Column: 1, Msg: fmt.Sprintf("the condition is %d bytes long, at most %d are allowed", len(src), MaxLength)}
	}
	if strings.TrimSpace(src) == "" {
		return nil, &Error{Line: 1, Column: 1, Msg: "the condition is empty"}
	}
	if !utf8.ValidString(src) {
		return nil, invalidUTF8(src)
	}
	tree, errs := l.parser.Parse(common.NewTextSource(src))
	if e := firstError(errs, src); e != nil {
		return nil, e
	}
	factory := ast.NewExprFactory()
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.LiteralKind {
			return
		}
		if i, ok := e.AsLiteral().(types.Int); ok {
			e.SetKindCase(factory.NewLiteral(e.ID(), types.Double(i)))
		}
	}))
	return tree, nil
}

// check lets cel-go type-check a tree. What the binder has accepted passes; if it ever does not, the
// condition is not CEL and is refused in cel-go's words.
func (l *language) check(tree *ast.AST, src string) *Error {
	_, errs := checker.Check(tree, common.NewTextSource(src), l.checker)
	return firstError(errs, src)
}
