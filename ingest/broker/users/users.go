package users

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// ErrRefused is returned for an unknown or blocked name or a wrong password: which of them is told to
// nobody.
var ErrRefused = errors.New("unknown user or wrong password")

// maxPassword bounds a password, in bytes.
const maxPassword = 1024

// Users are the users of one file, which may be read again while they are asked.
//
// They promise that passwords cannot be used to keep the machine busy: at most half of its cores hash at a
// time, whoever waits longer than its context is let go, and a password once found right (or, for the
// last few thousand, wrong) is not hashed again until its line changes.
//
// Methods may be called concurrently.
type Users struct {
	path    string
	byName  atomic.Pointer[map[string]User]
	hashing *semaphore.Weighted
	hashes  atomic.Uint64 // computed by Verify

	key   [32]byte // of the digests below, which so are worth nothing elsewhere
	mu    sync.Mutex
	right map[string]verified
	wrong map[digest]User
}

type digest [sha256.Size]byte

// verified is the password of a user that was found right, and the line it was right for.
type verified struct {
	password digest
	user     User
}

// wrongKept bounds the wrong passwords remembered; at the bound all are forgotten.
const wrongKept = 4096

// Open reads a file.
func Open(path string) (*Users, error) {
	u := &Users{
		path: path, hashing: semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)/2))),
		right: map[string]verified{}, wrong: map[digest]User{},
	}
	_, _ = rand.Read(u.key[:]) // it never fails: crypto/rand
	return u, u.Load()
}

// Load reads the file again. On an error the users of before stay.
func (u *Users) Load() error {
	f, err := os.Open(u.path)
	if err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("users file: %w", err)
	}
	if len(b) > maxFile {
		return fmt.Errorf("users file %s: more than %d MiB", u.path, maxFile>>20)
	}
	m, err := parse(u.path, string(b))
	if err != nil {
		return err
	}
	u.byName.Store(&m)
	u.mu.Lock()
	clear(u.right)
	clear(u.wrong)
	u.mu.Unlock()
	return nil
}

// Files are what Load reads.
func (u *Users) Files() []string { return []string{u.path} }

// Len is the number of users.
func (u *Users) Len() int { return len(*u.byName.Load()) }

// Find returns the user of a name.
func (u *Users) Find(name string) (User, bool) {
	user, ok := (*u.byName.Load())[name]
	return user, ok
}

// Verify returns the user whose name and password these are; ErrRefused when there is none, and the
// context's error when its turn to be hashed did not come in time.
func (u *Users) Verify(ctx context.Context, name string, password []byte) (User, error) {
	user, ok := u.Find(name)
	if !ok || user.Role == Blocked || user.secret.iterations == 0 || len(password) > maxPassword {
		return User{}, ErrRefused
	}
	d := u.digest(name, password)
	if known, right := u.remembered(name, d, user); known {
		return answer(user, right)
	}
	if err := u.hashing.Acquire(ctx, 1); err != nil {
		return User{}, fmt.Errorf("verify a password: %w", err)
	}
	defer u.hashing.Release(1)
	if known, right := u.remembered(name, d, user); known {
		return answer(user, right) // somebody else's turn came first
	}
	u.hashes.Add(1)
	right := user.secret.matches(string(password))
	u.remember(name, d, user, right)
	return answer(user, right)
}

func answer(u User, right bool) (User, error) {
	if !right {
		return User{}, ErrRefused
	}
	return u, nil
}

func (u *Users) digest(name string, password []byte) digest {
	mac := hmac.New(sha256.New, u.key[:])
	mac.Write([]byte(name))
	mac.Write([]byte{0}) // no name holds it
	mac.Write(password)
	return digest(mac.Sum(nil))
}

func (u *Users) remembered(name string, d digest, user User) (known, right bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if v, ok := u.right[name]; ok && v.user == user && subtle.ConstantTimeCompare(v.password[:], d[:]) == 1 {
		return true, true
	}
	was, ok := u.wrong[d]
	return ok && was == user, false
}

func (u *Users) remember(name string, d digest, user User, right bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if right {
		u.right[name] = verified{d, user}
		return
	}
	if len(u.wrong) >= wrongKept {
		clear(u.wrong)
	}
	u.wrong[d] = user
}
