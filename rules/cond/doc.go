// Package cond turns conditions into functions: the CEL text of a rule goes in, checked against the
// signals of the catalogue, and a closure over typed slots comes out that answers true, false or unknown
// for the state of one vehicle without allocating.
//
// cel-go parses and type-checks. Its evaluator is not used, because an interpreted call costs some hundred
// nanoseconds and allocates; it is the oracle of the tests. The language is a subset of CEL with three
// differences, all of S10: every number is a double (an integer literal too), logic is Kleene's, and what
// is not known (a signal never seen or older than it holds, an absent fact, a division by zero, a result
// out of range) spreads instead of failing.
//
//	speed > 5                      a signal by its bare name: its newest sample while it holds (S9)
//	vehicle.model == 'A5'          a fact of the profile, by dotted path; has(vehicle.model)
//	service.count, service.last_km facts of the service history
//	"P0301" in dtcs                a set of names; dtc('P03*') is the same by glob
//	known(s) age(s) changed(s)     about a sample: is it known; seconds since it, whether or not it still
//	                               holds; does it differ from the one before
//	km_since('engine-oil')         since the item was last serviced; days_since('engine-oil')
//	&& || ! == != < <= > >= + - * / ?: in x.startsWith(y) x.endsWith(y) x.contains(y)
//
// Texts compare by their bytes, which is the order of ISO dates. A text compiles in four passes: parse
// (language.go), bind names and types (bind*.go), check against CEL (language.go), lower (lower*.go).
package cond
