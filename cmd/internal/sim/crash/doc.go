// Package crash runs the whole engine through crashes: a seed goes in, a fleet's story, power cuts, slow and
// failing receivers, reloads and downtime come of it, and what the engine holds and has sent afterwards is
// held against an undisturbed replay of its own journal.
//
// It has tests only. MILEPOST_SEEDS raises the number of seeds, MILEPOST_SEED runs one alone.
package crash
