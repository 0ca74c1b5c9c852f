package rules

// The keys of rule files: what stands in them now, and what is part of the language but not of this
// version and therefore refused by name.

func topKeys() keys {
	return keys{
		what:  "a rule file",
		known: []string{"rules", "plans", "policy"},
		later: []string{"segments"},
	}
}

func ruleKeys() keys {
	return keys{
		what:  "a rule",
		known: []string{"id", "title", "when", "for", "until", "severity", "cooldown", "max_age", "applies_to", "notify", "message", "kind", "shadow"},
		later: []string{"sequence", "absent", "repeat", "keep_firing_for", "windows"},
	}
}

func audienceKeys() keys {
	return keys{
		what:  "notify",
		known: []string{"owner", "dealer"},
	}
}

func messageKeys() keys {
	return keys{
		what:  "message",
		known: []string{"owner", "dealer"},
	}
}

func planKeys() keys {
	return keys{
		what:  "a plan",
		known: []string{"id", "applies_to", "anchor", "remind", "early", "notify", "history", "items"},
		later: []string{"bundle"},
	}
}

func remindKeys() keys {
	return keys{
		what:  "remind",
		known: []string{"soon", "overdue"},
	}
}

func levelKeys() keys {
	return keys{
		what:  "notify",
		known: []string{"soon", "due", "overdue"},
	}
}

func thresholdKeys() keys {
	return keys{
		what:  "a threshold",
		known: []string{"km", "days", "hours"},
	}
}

func maintainedKeys() keys {
	return keys{
		what:  "an item",
		known: []string{"id", "title", "codes", "first", "every", "anchor", "labour_minutes", "article"},
		later: []string{"severe", "at", "once"},
	}
}

func intervalKeys() keys {
	return keys{
		what:  "an interval",
		known: []string{"km", "months", "hours"},
	}
}

func policyKeys() keys {
	return keys{
		what:  "policy",
		known: []string{"group", "consent_default", "day_starts"},
		later: []string{"quiet_hours", "caps", "inhibit", "escalate", "back_off", "storm", "moments"},
	}
}

func groupKeys() keys {
	return keys{
		what:  "policy.group",
		known: []string{"wait"},
		later: []string{"by", "max"},
	}
}
