package console

import (
	"cmp"
	"slices"

	"github.com/milepost-io/milepost/notify"
)

// sortUpdate puts the oldest first: the page lays each item on top of those before.
func sortUpdate(u *update) {
	slices.SortFunc(u.Messages, func(a, b notify.MessageView) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(u.Leads, func(a, b notify.LeadView) int {
		return cmp.Or(cmp.Compare(a.Updated, b.Updated), cmp.Compare(a.Lead, b.Lead))
	})
}
