// Package deptest takes the import graph of the module and fails where a package reaches what it must not
// know, over any number of imports between: the linter sees the direct ones only. It holds tests alone.
package deptest
