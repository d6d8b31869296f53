package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a test waits for what must happen; it bounds a failure, it is no measurement.
const patience = 30 * time.Second

// A desktop's and a phone's window.
var (
	desktop = [2]int64{1280, 800}
	phone   = [2]int64{390, 844}
)

// chromium is the one Chromium of this test process. Users have profiles of their own in it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	stop func()
	dir  string
	err  error
}

// insecureHost is a name for this machine that browsers do not take for it.
const insecureHost = "chat.test"

func startBrowser() {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		chromium.err = fmt.Errorf("there is no Chromium: make tools installs it")
		return
	}
	if chromium.dir, chromium.err = os.MkdirTemp("", "webtest"); chromium.err != nil {
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // root has none
		chromedp.DisableGPU,
		chromedp.UserDataDir(chromium.dir),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP "+insecureHost+" 127.0.0.1"),
	)
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(alloc)
	chromium.ctx, chromium.stop = ctx, func() {
		_ = chromedp.Cancel(ctx) // waits for the process; how it ends does not matter any more
		stop()
		stopAlloc()
	}
	chromium.err = chromedp.Do(ctx)
}

func stopBrowser() {
	if chromium.stop != nil {
		chromium.stop()
	}
	if chromium.dir != "" {
		_ = os.RemoveAll(chromium.dir) // a left-over in the temporary directory does not make tests fail
	}
}

// user is somebody in front of the page, with a browser profile of their own.
type user struct {
	t    *testing.T
	name string
	ctx  context.Context

	mu       sync.Mutex
	problems []string // guarded by mu: console errors, exceptions, violations of the policy
	allowed  []string // guarded by mu: what problems may hold
}

// newUser opens a window. At the end of the test nothing may have been complained about in it.
func newUser(t *testing.T, name string, size [2]int64) *user {
	t.Helper()
	chromium.once.Do(startBrowser)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	return newTab(t, chromium.ctx, name, size, chromedp.WithNewBrowserContext())
}

// secondTab opens another tab with the same profile.
func (u *user) secondTab() *user {
	profile := chromedp.FromContext(u.ctx).BrowserContextID
	return newTab(u.t, chromium.ctx, u.name+"'s second tab", desktop, chromedp.WithExistingBrowserContext(profile))
}

func newTab(t *testing.T, parent context.Context, name string, size [2]int64, option chromedp.ContextOption) *user {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, option)
	u := &user{t: t, name: name, ctx: ctx}
	t.Cleanup(func() {
		u.judge()
		cancel()
	})
	// The tab lives as long as the context of this first call.
	if err := chromedp.Listen(ctx, u.listen); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	call(u, runtime.Enable, cdp.Empty{})
	call(u, log.Enable, cdp.Empty{})
	call(u, audits.Enable, cdp.Empty{})
	call(u, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	options := []chromedp.EmulateViewportOption{}
	if size == phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	u.run(chromedp.EmulateViewport(size[0], size[1], options...))
	return u
}

// call sends a command to the user's tab.
func call[P, R any](u *user, command cdp.Command[P, R], params P) R {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		u.t.Fatalf("%s: %s: %v", u.name, command.Method, err)
	}
	return result
}

// listen collects what the browser complains about.
func (u *user) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		switch e.Type {
		case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
			problem = "console:"
			for _, arg := range e.Args {
				problem += " " + string(arg.Value) + arg.Description
			}
		}
	case *runtime.EventExceptionThrown:
		details, _ := json.Marshal(e.ExceptionDetails) // for reading only
		problem = "exception: " + string(details)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			problem = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			details, _ := json.Marshal(e.Issue.Details) // for reading only
			problem = "policy: " + string(details)
		}
	}
	if problem != "" {
		u.mu.Lock()
		u.problems = append(u.problems, problem)
		u.mu.Unlock()
	}
}

// allow says that the test provokes complaints with this text.
func (u *user) allow(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.allowed = append(u.allowed, text)
}

func (u *user) judge() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, problem := range u.problems {
		expected := false
		for _, text := range u.allowed {
			expected = expected || strings.Contains(problem, text)
		}
		if !expected {
			u.t.Errorf("%s's browser complains: %s", u.name, problem)
		}
	}
}

// run executes actions, with a bound on their time.
func (u *user) run(actions ...chromedp.Action[chromedp.Void]) {
	u.t.Helper()
	if err := u.try(actions...); err != nil {
		u.t.Fatalf("%s: %v", u.name, err)
	}
}

func (u *user) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// eval returns the value of an expression, which may be a promise.
func eval[T any](u *user, expression string) T {
	u.t.Helper()
	value, err := evaluate[T](u, expression)
	if err != nil {
		u.t.Fatalf("%s: %s: %v", u.name, expression, err)
	}
	return value
}

func evaluate[T any](u *user, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(u.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// do evaluates an expression for what it does.
func (u *user) do(expression string) {
	u.t.Helper()
	eval[bool](u, "Promise.resolve("+expression+").then(() => true)")
}

// text returns the text of an element, empty without one.
func (u *user) text(selector string) string {
	u.t.Helper()
	return eval[string](u, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// until waits for an expression to be true.
func (u *user) until(expression string) {
	u.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		// In the middle of a reload there is nothing to look at: that is no failure, it has just not come true yet.
		if holds, err := evaluate[bool](u, "(() => { try { return !!("+expression+"); } catch { return false; } })()"); err == nil && holds {
			return
		}
		if time.Now().After(deadline) {
			u.shot("failure")
			u.t.Fatalf("%s: never came true: %s\nthe page says: %s", u.name, expression, u.text("body"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sees waits for an element with a text in it.
func (u *user) sees(selector, text string) {
	u.t.Helper()
	u.until(fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.checkVisibility() && e.textContent.includes(%q))", selector, text))
}

// click clicks on an element once it is there.
func (u *user) click(selector string) {
	u.t.Helper()
	if err := u.try(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		u.shot("failure")
		u.t.Fatalf("%s: click on %s: %v\nthe page says: %s", u.name, selector, err, u.text("body"))
	}
}

// clickText clicks on the button with a text.
func (u *user) clickText(text string) {
	u.t.Helper()
	u.sees("button", text)
	u.do(fmt.Sprintf("[...document.querySelectorAll('button')].filter(e => e.checkVisibility() && e.textContent.includes(%q)).at(-1).click()", text))
}

// fill puts a text into a field as if it had been typed.
func (u *user) fill(selector, text string) {
	u.t.Helper()
	u.until(fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	u.do(fmt.Sprintf("document.querySelector(%q).focus()", selector))
	u.do(fmt.Sprintf("document.querySelector(%q).select()", selector))
	call(u, input.InsertText, input.InsertTextParams{Text: text})
}

// press presses a key, with the keys that are held. As with a keyboard, a page that takes the key for itself leaves no
// character behind; chromedp's own KeyEvent sends that apart.
func (u *user) press(key rune, held ...chromedp.KeyOption) {
	u.t.Helper()
	events := kb.Encode(key)
	down, up := *events[0], *events[len(events)-1]
	if len(events) == 3 {
		down.Text = events[1].Text
	}
	for _, event := range []*input.DispatchKeyEventParams{&down, &up} {
		for _, hold := range held {
			hold(event)
		}
		if event.Modifiers&^int64(chromedp.ModifierShift) != 0 {
			event.Text = ""
		}
		call(u, input.DispatchKeyEvent, *event)
	}
}

// visit goes to an address.
func (u *user) visit(url string) {
	u.t.Helper()
	u.run(chromedp.Navigate(url))
}

// open goes to the page's address and waits for it to have begun.
func (u *user) open(url string) {
	u.t.Helper()
	u.visit(url)
	u.until("document.readyState === 'complete' && (document.querySelector('#gate').childElementCount > 0 || !document.querySelector('#app').hidden)")
}

// reload loads the page again.
func (u *user) reload() {
	u.t.Helper()
	u.run(chromedp.Reload())
	u.until("document.readyState === 'complete' && (document.querySelector('#gate').childElementCount > 0 || !document.querySelector('#app').hidden)")
}

// shot takes a picture, into the directory that ENIGMA_SHOTS names or the test's own.
func (u *user) shot(name string) string {
	u.t.Helper()
	dir := os.Getenv("ENIGMA_SHOTS")
	if dir == "" {
		dir = u.t.TempDir()
	}
	png := call(u, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng}).Data
	file := fmt.Sprintf("%s/%s-%s.png", dir, strings.ReplaceAll(u.t.Name(), "/", "-"), name)
	if err := os.WriteFile(file, png, 0o600); err != nil {
		u.t.Error(err)
	}
	return file
}
