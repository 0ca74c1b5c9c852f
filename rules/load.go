package rules

import (
	"fmt"
	"sort"
	"strings"
)

// loader turns rule files into a Program and collects every mistake on the way.
type loader struct {
	src      *source
	problems Problems
	program  *Program
	// claimed ids by kind and hash: where they stand.
	claimed map[claim]Problem
}

// claim is a name taken by a rule, plan or item.
type claim struct {
	kind string
	key  uint64
}
