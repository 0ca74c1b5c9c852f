package webhook

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The known answer published with the Standard Webhooks specification.
func TestSignatureKnownAnswer(t *testing.T) {
	s, err := ParseSecrets("whsec_plJ3nmyCDGBKInavdOK15jsl\n")
	if err != nil {
		t.Fatal(err)
	}
	got := s.sign("msg_loFOjxBNrRLzqYUf", time.Unix(1731705121, 0), []byte(`{"event_type":"ping","data":{"success":true}}`))
	if want := "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestParseSecrets(t *testing.T) {
	long := "whsec_" + strings.Repeat("AAAA", 22)
	for _, c := range []struct {
		text string
		keys int
		err  string
	}{
		{"whsec_plJ3nmyCDGBKInavdOK15jsl", 1, ""},
		{"# new\r\nwhsec_plJ3nmyCDGBKInavdOK15jsl\r\n\n  whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw  \n", 2, ""},
		{"", 0, "no secret"},
		{"\n# nothing\n", 0, "no secret"},
		{"plJ3nmyCDGBKInavdOK15jsl", 0, "line 1: no whsec_"},
		{"whsec_plJ3nmyCDGBKInavdOK15jsl\nwhsec_!!", 0, "line 2: not base64"},
		{"whsec_", 0, "line 1: a key of 0 bytes"},
		{long, 0, "line 1: a key of 66 bytes"},
	} {
		s, err := ParseSecrets(c.text)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || len(s.keys) != c.keys {
			t.Errorf("ParseSecrets(%q) = %d keys, %v; want %d, %q", c.text, len(s.keys), err, c.keys, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "plJ3") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

// A file that others may read is used, with a warning; nothing prints a key.
func TestLoadSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if _, _, err := LoadSecrets(path); err == nil {
		t.Error("a missing file is no error")
	}
	for _, c := range []struct {
		mode    os.FileMode
		text    string
		warning string
	}{
		{0o600, "whsec_plJ3nmyCDGBKInavdOK15jslplJ3nmyC", ""},
		{0o644, "whsec_plJ3nmyCDGBKInavdOK15jslplJ3nmyC", "chmod 600 " + path},
		{0o600, "whsec_plJ3", "3 bytes"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		s, warning, err := LoadSecrets(path)
		if err != nil || (warning == "") != (c.warning == "") || !strings.Contains(warning, c.warning) {
			t.Errorf("mode %o, %q: warning %q, %v; want %q", c.mode, c.text, warning, err, c.warning)
		}
		if out := fmt.Sprintf("%v %+v %#v", s, s, s); out != "1 secrets 1 secrets 1 secrets" {
			t.Errorf("printed as %q", out)
		}
	}
}
