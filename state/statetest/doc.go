// Package statetest holds what tests of stateful stages need: a log in memory whose durability, failures
// and crashes the test decides, and steps that count, so that an input lost or applied twice is seen.
package statetest
