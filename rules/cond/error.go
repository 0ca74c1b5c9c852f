package cond

import "fmt"

// Error is a mistake in a condition.
type Error struct {
	// Line and Column of the mistake within the condition, from 1; columns count characters.
	Line, Column int
	// Msg says what is wrong and what was expected.
	Msg string
	// Nearest is the known name closest to an unknown one, empty when none is close.
	Nearest string
}

// Error is the message with its place within the condition; a loader that knows the file writes its own.
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text()) }

// Text is the message without its place: what is wrong and, where one is near, the name that was meant.
func (e *Error) Text() string {
	if e.Nearest == "" {
		return e.Msg
	}
	return fmt.Sprintf("%s; did you mean `%s`?", e.Msg, e.Nearest)
}

// errorAt makes an Error from a position in characters.
func errorAt(src []rune, pos int, nearest, format string, args ...any) *Error {
	e := &Error{Line: 1, Column: 1, Nearest: nearest, Msg: fmt.Sprintf(format, args...)}
	for _, r := range src[:min(pos, len(src))] {
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}
