//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// liveWithin is how soon a page shows what a car has sent.
const liveWithin = time.Second

// browser is a headless Chromium with one page, of a phone's size.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string // of the page
}

func newBrowser(t *testing.T, width, height int64) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		lacks(t, "no Chromium in PATH: apt-get install chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-US"), chromedp.Flag("accept-lang", "en-US"))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &browser{t: t, ctx: ctx}
	// The first call starts the browser, which lives as long as the context of that call.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	messages, heard := chromedp.Console(ctx), make(chan struct{})
	go func() {
		defer close(heard)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException {
				b.mu.Lock()
				b.errors = append(b.errors, m.Text+" "+m.URL)
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-heard })
	return b
}

// complaints returns what the page complained about since the last call.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.errors
	b.errors = nil
	return out
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) eval(js string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+js+")"))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// sees waits until the text of what a selector names contains all of want, and says how long that took.
func (b *browser) sees(e *engine, limit time.Duration, selector string, want ...string) time.Duration {
	b.t.Helper()
	begin := time.Now()
	text := ""
	e.until(fmt.Sprintf("%s shows %q", selector, want), limit, func() bool {
		text = b.eval(fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join('\\n')", selector))
		for _, w := range want {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	})
	return time.Since(begin)
}

// fits fails when the page is wider than the screen.
func (b *browser) fits(page string) {
	b.t.Helper()
	if over := b.eval("Math.max(0, document.documentElement.scrollWidth - innerWidth)"); over != "0" {
		b.t.Errorf("%s is %s pixels wider than the screen", page, over)
	}
}

// car is an MQTT client of one car.
type car struct {
	t  *testing.T
	vi string
	cl mqtt.Client
}

func newCar(t *testing.T, e *engine, vin string) *car {
	t.Helper()
	c := &car{t: t, vi: vin, cl: mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + e.mqtt).SetClientID(vin).SetConnectTimeout(5 * time.Second))}
	if tok := c.cl.Connect(); !tok.WaitTimeout(5*time.Second) || tok.Error() != nil {
		t.Fatalf("connect: %v", tok.Error())
	}
	return c
}

// publish sends one message and returns once it is acknowledged.
func (c *car) publish(signals string) {
	c.t.Helper()
	tok := c.cl.Publish("vehicles/"+c.vi+"/telemetry", 1, false, fmt.Sprintf(`{"type":"telemetry","vin":%q,"signals":{%s}}`, c.vi, signals))
	if !tok.WaitTimeout(5*time.Second) || tok.Error() != nil {
		c.t.Fatalf("publish: %v", tok.Error())
	}
}

func (c *car) leave() { c.cl.Disconnect(100) }

// TestBrowser opens the console on a phone's screen, lets one car speak and looks for it, and again after
// a kill -9 of the engine.
func TestBrowser(t *testing.T) {
	const vin = "BROWSER1"
	e := newEngine(t, "policy: {group: {wait: 0s}}", tenThousand+`
rules:
  - {id: hot, title: {en: Engine too hot}, when: coolant_temp > 115, severity: critical}
`)
	e.start()
	e.post(`{"type":"vehicle","vin":"` + vin + `","profile":{"model":"E5","plate":"B-MP 1","owner":"O1","dealer":"D1","plan":"basic"}}`)
	c := newCar(t, e, vin)
	c.publish(`"odometer":8900`)

	b := newBrowser(t, 390, 844)
	b.do(chromedp.Navigate("http://" + e.http + "/#/vehicles"))
	row := `li[data-vin="` + vin + `"]`
	b.sees(e, 10*time.Second, row, "8,900 km", "E5", "B-MP 1", "ok")
	b.fits("the list of vehicles")

	c.publish(`"odometer":9050`)
	inRow := b.sees(e, liveWithin, row, "9,050 km", "soon")

	b.do(chromedp.Navigate("http://" + e.http + "/#/vehicles/" + vin))
	b.sees(e, 10*time.Second, "#odometer", "9,050")
	b.sees(e, 10*time.Second, ".story", "Service due soon: Engine oil (950 km left)")
	b.fits("the vehicle")
	c.publish(`"odometer":10020,"coolant_temp":120`)
	begin := time.Now()
	b.sees(e, liveWithin, "#odometer", "10,020")
	b.sees(e, liveWithin, ".story", "Service due: Engine oil (20 km over)", "Alert: Engine too hot")
	inStory := time.Since(begin)
	if inStory > liveWithin {
		t.Errorf("odometer and timeline took %v; expected at most %v", inStory, liveWithin)
	}
	if bad := b.complaints(); len(bad) > 0 {
		t.Errorf("the page complains: %q", bad)
	}

	c.leave()
	e.kill()
	b.sees(e, 5*time.Second, "#link", "reconnecting")
	b.sees(e, 5*time.Second, "#lost", "lost")
	e.start()
	back := b.sees(e, 5*time.Second, "#link", "live")
	b.complaints() // refused connections while there was no engine
	c = newCar(t, e, vin)
	c.publish(`"odometer":10031,"coolant_temp":90`)
	again := b.sees(e, liveWithin, "#odometer", "10,031")
	b.sees(e, liveWithin, ".story", "Resolved: Engine too hot")
	b.do(chromedp.KeyEvent("\x1b"))
	b.sees(e, liveWithin, row, "10,031 km", "due")
	c.leave()

	for _, page := range []string{"live", "leads", "engine"} {
		b.do(chromedp.Navigate("http://" + e.http + "/#/" + page))
		b.sees(e, 5*time.Second, "main", map[string]string{"live": "Service due", "leads": "Engine oil", "engine": "Destinations"}[page])
		b.fits("the page " + page)
	}
	if bad := b.complaints(); len(bad) > 0 {
		t.Errorf("the page complains: %q", bad)
	}
	t.Logf("row %v, odometer and timeline %v, back after the kill %v, row again %v", inRow, inStory, back, again)
}
