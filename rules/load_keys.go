package rules

import "github.com/milepost-io/milepost/ingest/strictyaml"

// The keys of rule files: what stands in them now, and what is part of the language but not of this
// version and therefore refused by name.

func topKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "a rule file",
		Known: []string{"rules", "plans", "policy"},
		Later: []string{"segments"},
	}
}

func ruleKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "a rule",
		Known: []string{"id", "title", "when", "for", "until", "severity", "cooldown", "max_age", "applies_to", "notify", "message", "kind", "shadow"},
		Later: []string{"sequence", "absent", "repeat", "keep_firing_for", "windows"},
	}
}

func audienceKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "notify",
		Known: []string{"owner", "dealer"},
	}
}

func messageKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "message",
		Known: []string{"owner", "dealer"},
	}
}

func planKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "a plan",
		Known: []string{"id", "applies_to", "anchor", "remind", "early", "notify", "history", "items"},
		Later: []string{"bundle"},
	}
}

func remindKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "remind",
		Known: []string{"soon", "overdue"},
	}
}

func levelKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "notify",
		Known: []string{"soon", "due", "overdue"},
	}
}

func thresholdKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "a threshold",
		Known: []string{"km", "days", "hours"},
	}
}

func maintainedKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "an item",
		Known: []string{"id", "title", "codes", "first", "every", "anchor", "labour_minutes", "article"},
		Later: []string{"severe", "at", "once"},
	}
}

func intervalKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "an interval",
		Known: []string{"km", "months", "hours"},
	}
}

func policyKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "policy",
		Known: []string{"group", "consent_default", "day_starts"},
		Later: []string{"quiet_hours", "caps", "inhibit", "escalate", "back_off", "storm", "moments"},
	}
}

func groupKeys() strictyaml.Keys {
	return strictyaml.Keys{
		What:  "policy.group",
		Known: []string{"wait"},
		Later: []string{"by", "max"},
	}
}
