// Package demo holds the rules that the demo runs with: embedded files go out, to be written into its
// data folder, where people edit them.
package demo

import "embed"

// Rules are the rule files, under RulesDir.
//
//go:embed rules/*.yaml
var Rules embed.FS

// RulesDir is the folder of Rules.
const RulesDir = "rules"
