package state

import "fmt"

// Documents calls fn for every stored document until it returns false. What it is given is valid during the
// call. It may run beside the shard and sees what was written back last.
func (s *Store) Documents(fn func(key, sub, body []byte) bool) error {
	var bad error
	err := s.Scan([]byte{docSpace, '/'}, spaceEnd(docSpace), func(name, value []byte) bool {
		key, sub, err := cutDocKey(name)
		if err == nil {
			_, value, err = cutDocValue(value)
		}
		if err != nil {
			bad = fmt.Errorf("document %q: %w", name, err)
			return false
		}
		return fn(key, sub, value)
	})
	if err == nil {
		err = bad
	}
	return s.wrapScan(err)
}

// Rows calls fn for the stored rows of a space, as Documents does.
func (s *Store) Rows(space Space, fn func(key, value []byte) bool) error {
	return s.wrapScan(s.Scan([]byte{byte(space), '/'}, spaceEnd(byte(space)), func(name, value []byte) bool {
		return fn(name[2:], value)
	}))
}

func (s *Store) wrapScan(err error) error {
	if err != nil {
		return fmt.Errorf("state: read store %s: %w", s.dir, err)
	}
	return nil
}
