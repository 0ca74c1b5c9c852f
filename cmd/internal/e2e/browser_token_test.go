//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestBrowserToken: the page is open and holds nothing; what it shows needs a token, which it asks for, keeps
// as long as the tab and never puts into an address.
func TestBrowserToken(t *testing.T) {
	e := newEngine(t, "", "")
	e.write("tokens", "crm events events-0123456789abcdef\nadvisor read read-0123456789abcdef\n")
	e.write("milepost.yaml", "http: {listen: \""+e.http+"\", tokens_file: tokens}\nmqtt: {listen: \"\"}\n")
	e.start()
	b := newBrowser(t, 390, 844)
	b.do(chromedp.Navigate("http://" + e.http + "/"))
	show := func(token string) {
		b.eval(fmt.Sprintf(`(() => { const f = document.querySelector("form.token"); f.querySelector("input").value = %q; f.requestSubmit() })()`, token))
	}
	b.sees(e, 10*time.Second, "form.token", "asks for a token")
	show("wrong")
	b.sees(e, 10*time.Second, "form.token [role=alert]", "the token is not known")
	show("events-0123456789abcdef")
	b.sees(e, 10*time.Second, "form.token [role=alert]", "has role events; this needs role read or admin")
	show("read-0123456789abcdef")
	b.sees(e, 10*time.Second, "#link", "live")
	b.sees(e, 10*time.Second, "#c-received", "0")
	if at := b.eval("location.href + document.cookie + (localStorage.length || '')"); at != "http://"+e.http+"/" {
		t.Errorf("the token is kept elsewhere than in the tab: %s", at)
	}
}
