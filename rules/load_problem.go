package rules

import "github.com/milepost-io/milepost/ingest/strictyaml"

// Problem is one mistake in a rule file, at the place where it stands.
type Problem = strictyaml.Problem

// Problems are all the mistakes of a rules folder, in the order of files and lines.
type Problems = strictyaml.Problems
