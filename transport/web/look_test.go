package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// looks are the devices and colours in which every scene is looked at.
var looks = []struct {
	name   string
	size   [2]int64
	scheme string
}{
	{"desktop-light", desktop, "light"},
	{"desktop-dark", desktop, "dark"},
	{"phone-light", phone, "light"},
	{"phone-dark", phone, "dark"},
}

// scene takes a picture of what is on the screen in every look, and checks that all can read it and use it.
func (u *user) scene(name string) {
	u.t.Helper()
	for _, look := range looks {
		var options []chromedp.EmulateViewportOption
		if look.size == phone {
			options = []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulateTouch}
		}
		u.run(chromedp.EmulateViewport(look.size[0], look.size[1], options...))
		call(u, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: look.scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		// Two frames later all is laid out and painted.
		u.do("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
		where := name + ", " + look.name
		u.readable(where)
		u.named(where)
		u.shot(name + "-" + look.name)
	}
	u.run(chromedp.EmulateViewport(desktop[0], desktop[1]))
}

// readable checks the contrast of every text with its ground (WCAG 2.2, 1.4.3), and that nothing is wider than the
// window.
func (u *user) readable(where string) {
	u.t.Helper()
	faults := eval[[]string](u, `(() => {
		const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
		const rgba = (color) => {
			canvas.clearRect(0, 0, 1, 1);
			canvas.fillStyle = color;
			canvas.fillRect(0, 0, 1, 1);
			return [...canvas.getImageData(0, 0, 1, 1).data];
		};
		const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => (c * a + under[i] * (255 - a)) / 255);
		const ground = (e) => {
			const color = e ? rgba(getComputedStyle(e).backgroundColor) : [255, 255, 255, 255];
			return color[3] === 255 || !e ? color.slice(0, 3) : over(color, ground(e.parentElement));
		};
		const light = (rgb) => rgb.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
			.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		const faults = [];
		const top = document.querySelector('dialog[open]') ?? document.body;
		for (const e of top.querySelectorAll('*')) {
			const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent).join('').trim();
			if (!text || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || e.closest('.hidden-text, :disabled')) continue;
			const style = getComputedStyle(e);
			const under = ground(e);
			const [a, b] = [light(over(rgba(style.color), under)), light(under)].sort((x, y) => y - x);
			const ratio = (a + 0.05) / (b + 0.05);
			const size = parseFloat(style.fontSize);
			const enough = size >= 24 || (size >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5;
			if (ratio < enough) faults.push(ratio.toFixed(2) + ' for ' + JSON.stringify(text.slice(0, 30)) + ' in .' + e.className);
		}
		if (document.documentElement.scrollWidth > innerWidth) faults.push('wider than the window');
		return faults;
	})()`)
	for _, fault := range faults {
		u.t.Errorf("%s: contrast: %s", where, fault)
	}
}

// controls are the roles of what can be operated.
var controls = map[string]bool{
	"button": true, "link": true, "textbox": true, "searchbox": true, "checkbox": true, "radio": true, "dialog": true,
	"alertdialog": true, "navigation": true, "log": true, "region": true, "image": true, "img": true,
}

// named checks the accessibility tree: everything that can be operated, and every landmark, has a name.
func (u *user) named(where string) {
	u.t.Helper()
	seen := map[string]int{}
	for _, node := range call(u, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role, name := strings.Trim(string(node.Role.Value), `"`), ""
		if node.Name != nil {
			name = strings.Trim(string(node.Name.Value), `"`)
		}
		seen[role]++
		if controls[role] && name == "" {
			u.t.Errorf("%s: a %s without a name", where, role)
		}
	}
	if seen["button"] == 0 || seen["main"]+seen["navigation"]+seen["dialog"]+seen["alertdialog"] == 0 || seen["heading"] == 0 {
		u.t.Errorf("%s: landmarks, headings or buttons are missing: %v", where, seen)
	}
}

// tale is a conversation as people have them.
var tale = []struct {
	from int // 0: Alice
	text string
}{
	{0, "Morning! Did the boat make it through the storm?"},
	{1, "It did. One fender lost, and we found somebody else’s dinghy in our place 😄"},
	{1, "Nobody hurt, everything dry inside."},
	{0, "What a relief."},
	{0, "I’ll be down on Saturday with the new lines. Need anything else from town?"},
	{1, "Coffee. And the small shackles, the ones from https://example.com/rigging/m6."},
	{0, "Noted ☕"},
	{1, "The harbour master wants our papers by Friday, by the way. Could you send me the number of the insurance when you are home? No hurry, tonight is fine."},
	{0, "Will do, it is in the blue folder."},
	{1, "👋"},
}

func TestLook_EveryScene(t *testing.T) {
	s := enigmatest.Start(t, "--admin", "off")
	alice := newUser(t, "Alice", desktop)
	alice.open(s.URL("/"))
	alice.scene("welcome")
	alice.click("#have-key")
	alice.scene("bring")
	alice.clickText("Back")
	alice.click("#create-key")
	alice.sees("#finish", "without a backup")
	alice.scene("backup")
	alice.click("#finish")
	alice.connected()
	alice.scene("empty")

	bob := joined(t, s.URL("/"), "Bob", desktop)
	alice.writeTo(bob.id(), "Noor Haddad")
	alice.says(tale[0].text)
	bob.choose(tale[0].text)
	for _, line := range tale[1:] {
		people := []*user{alice, bob}
		people[line.from].says(line.text)
		people[1-line.from].hears(line.text)
	}
	for _, name := range []string{"Samuel Okafor", "Ingrid", "Tomás Rey", "Mum"} {
		other := joined(t, s.URL("/"), name, desktop)
		other.writeTo(alice.id(), "Alice")
		other.says(map[string]string{"Samuel Okafor": "Sent you the photos from the workshop", "Ingrid": "ok, see you at eight", "Tomás Rey": "¿Vienes el domingo?", "Mum": "Call me when you have a minute ❤"}[name])
		other.marked("", "delivered")
		alice.rename(other.id(), name)
		if name == "Mum" {
			alice.choose("Noor Haddad")
			other.says("It is nothing bad!")
			other.marked("nothing bad", "delivered")
		}
	}
	alice.click("#contact-button")
	alice.click("#verified")
	alice.press(escape)
	alice.sees("#contact-button", "Encrypted and verified")
	alice.choose("Noor Haddad")
	alice.until("document.activeElement.id === 'text'")
	alice.scene("talk")
	bob.scene("stranger")
	alice.click("#contact-button")
	alice.scene("contact")
	alice.press(escape)
	alice.click("#me-button")
	alice.scene("share")
	alice.press(escape)
	alice.click("#new-button")
	alice.scene("add")
	alice.press(escape)
	alice.press('?')
	alice.sees("dialog", "Conversation above")
	alice.scene("keys")
}

// rename opens a stranger's conversation, accepts it and gives it a name.
func (u *user) rename(id, name string) {
	u.t.Helper()
	u.click(fmt.Sprintf("[data-id=%q]", id))
	u.clickText("Add")
	u.click("#contact-button")
	u.fill("#contact-name", name)
	u.press(enter)
	u.press(escape)
	u.sees("#list", name)
}
