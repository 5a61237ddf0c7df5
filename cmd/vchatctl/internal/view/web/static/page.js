// The page of vchatctl view --to web. The server says what goes on and gives pictures; what it tells is shown as text alone.

import { View } from './frame.js';

const $ = (id) => document.getElementById(id);
const captionFor = 8000;

// span is a time as one says it.
function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} days`;
}

// setText leaves an element alone that says so already: screen readers read out what is written.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const main = new View($('frame'), { ahead: true });
const own = new View($('own'), { every: 100 });

let state = null;     // as the server told it last
let served = true;    // the server is there
let clockAhead = 0;   // of the server's clock, in ms
let ownWanted = true;

function reasonText(why) {
  if (!why) return '';
  return why.since ? `${why.text} ${span(Date.now() + clockAhead - why.since)}${why.after ?? ''}` : why.text;
}

// reasonAlone is the same without the time, which would be read out again and again.
function reasonAlone(why) {
  return why.since ? why.text + (why.after ?? '').replace(/^ ago/, '') : why.text;
}

// look decides which feeds are looked at. A page that nobody sees looks at none, so that cameras may close.
function look() {
  if (state === null) return;
  const seen = !document.hidden && served;
  const inCall = state.call === 'active' || state.call === 'resuming';
  const corner = ownWanted && state.feed !== 'self' && inCall;
  main.look(state.feed, seen && state.live);
  own.look(corner ? 'self' : null, seen && corner);
  $('own').hidden = !corner;
}

// tell shows what changes with time: how old the picture is, and why.
function tell() {
  const isOld = main.isOld();
  const why = !served ? { text: 'vchatctl, which serves this page, is not reached' } : state?.why;
  $('frame').classList.toggle('old', isOld);
  $('own').classList.toggle('old', own.isOld());
  $('veil').hidden = !isOld;
  if (isOld) {
    setText($('reason'), reasonText(why) || (main.taken === null ? 'waiting for a picture' : 'no new picture comes'));
    setText($('age'), main.taken === null ? '' : `This picture is ${span(main.age())} old.`);
  }
  let words = served ? state?.words ?? 'Connecting.' : 'vchatctl, which serves this page, has ended or is not reached.';
  const stands = served && state?.live && main.taken !== null && isOld;
  if (stands) words += ` The picture stands still: ${why ? reasonAlone(why) : 'no new one comes'}.`;
  else if (served && main.card && why) words += ` No picture: ${reasonAlone(why)}.`;
  setText($('words'), words.replace(/[,.]\.$/, '.'));
  const label = main.taken === null ? 'No picture' : `${isOld ? 'An old picture' : 'The picture'} of ${state?.title ?? 'vchat'}`;
  if ($('frame').getAttribute('aria-label') !== label) $('frame').setAttribute('aria-label', label);
  if (!$('info').hidden) setText($('info'), main.facts());
}

function show() {
  setText($('title'), state.title);
  const ringing = state.ringing.map((r) => r.peer);
  document.title = ringing.length ? `${ringing[0]} is calling` : `${state.title} – vchat`;
  const there = state.call !== '';
  $('hangup').hidden = !there || state.call === 'incoming';
  $('privacy').setAttribute('aria-pressed', state.privacy);
  $('privacy').disabled = !state.reached;
  $('snapshot').disabled = !state.live || !state.reached;
  const canSay = state.reached && (state.call === 'active' || state.call === 'resuming');
  // A field that is being typed in is left as it is: the line may be said when the link is back.
  $('line').disabled = !canSay && document.activeElement !== $('line');
  $('send').disabled = !canSay;
  setText($('to'), canSay ? `Say to ${state.feed}` : 'In a call, say something here');
  keep($('ringing'), state.ringing, (r) => r.peer, makeRing, () => {});
  keep($('peers'), state.peers, (p) => p.name, makePeer, updatePeer);
  look();
  tell();
}

// keep makes an element for each thing and keeps those that are there, as the focus may be on them.
function keep(parent, things, key, make, update) {
  const had = new Map([...parent.children].map((e) => [e.dataset.key, e]));
  for (const thing of things) {
    const k = key(thing);
    let e = had.get(k);
    if (!e) {
      e = make(thing);
      e.dataset.key = k;
      parent.append(e);
    }
    had.delete(k);
    update(e, thing);
  }
  for (const e of had.values()) e.remove();
}

function element(tag, properties, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

function button(text, key, className, onclick) {
  const b = element('button', { type: 'button', className, onclick }, text);
  if (key) {
    b.append(' ', element('kbd', {}, key));
    b.setAttribute('aria-keyshortcuts', key);
  }
  return b;
}

function makeRing({ peer }) {
  const text = element('p', {}, `${peer} is calling`);
  text.setAttribute('role', 'alert');
  const e = element('section', { className: 'ring' }, text,
    button('Answer', 'a', 'take', () => post('answer', { peer })), button('Decline', 'd', 'end', () => post('decline', { peer })));
  e.setAttribute('aria-label', 'Incoming call');
  return e;
}

function makePeer({ name }) {
  const words = element('small', {});
  return element('li', {}, element('span', {}, name, words), button('', '', '', (event) => {
    post(event.target.dataset.command, { peer: name });
  }));
}

function updatePeer(e, peer) {
  setText(e.querySelector('small'), peer.words);
  const b = e.querySelector('button');
  b.dataset.command = peer.call ? (peer.call === 'incoming' ? 'decline' : 'hangup') : 'call';
  const text = { call: 'Call', hangup: 'Hang up', decline: 'Decline' }[b.dataset.command];
  setText(b, text);
  b.setAttribute('aria-label', `${text} ${peer.name}`);
  b.classList.toggle('end', Boolean(peer.call));
}

function said({ at, peer, mine, text }) {
  const who = mine ? (state?.name || 'this device') : peer;
  const when = new Date(at - clockAhead);
  const log = $('said');
  const atEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 20;
  log.append(element('li', {}, element('b', {}, who), ': ', text, ' ',
    element('time', { dateTime: when.toISOString() }, when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))));
  while (log.children.length > 50) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
  const fresh = captionFor - (Date.now() + clockAhead - at);
  if (fresh <= 0) return;
  const caption = element('p', {}, `${who}: ${text}`);
  $('captions').append(caption);
  while ($('captions').children.length > 4) $('captions').firstChild.remove();
  setTimeout(() => caption.remove(), fresh);
}

let problemTimer = null;
function problem(text) {
  clearTimeout(problemTimer);
  $('problem').textContent = text;
  if (text) problemTimer = setTimeout(() => problem(''), 12000);
}

// wrong is what an answer says of why something did not work.
async function wrong(response) {
  const body = await response.json().catch(() => null);
  return `That did not work: ${body?.error?.message ?? response.status}.`;
}

async function post(command, body) {
  try {
    const response = await fetch(command, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    problem(response.ok ? '' : await wrong(response));
    return response.ok;
  } catch {
    problem('That did not work: vchatctl, which serves this page, is not reached.');
    return false;
  }
}

async function snapshot() {
  if ($('snapshot').disabled) return;
  const feed = state.feed;
  try {
    const response = await fetch(`snapshot/${encodeURIComponent(feed)}`);
    if (!response.ok) { problem(await wrong(response)); return; }
    const url = URL.createObjectURL(await response.blob());
    const now = new Date();
    const name = new Date(now - now.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace('T', '-').replaceAll(':', '.');
    element('a', { href: url, download: `${feed}-${name}.jpg` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } catch {
    problem('The snapshot did not work: vchatctl, which serves this page, is not reached.');
  }
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => problem('The browser does not allow fullscreen.'));
}

function toggleOwn() {
  ownWanted = !ownWanted;
  $('showown').setAttribute('aria-pressed', ownWanted);
  look();
}

function toggleInfo() {
  $('info').hidden = !$('info').hidden;
  $('showinfo').setAttribute('aria-pressed', !$('info').hidden);
  tell();
}

const hangup = () => { if (!$('hangup').hidden) post('hangup', { peer: state.feed }); };
const first = (command) => { if (state?.ringing.length) post(command, { peer: state.ringing[0].peer }); };

const keys = {
  f: fullscreen, s: snapshot, p: toggleOwn, i: toggleInfo, h: hangup, a: () => first('answer'), d: () => first('decline'),
  Enter: () => $('line').focus(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
  const at = event.target;
  if (at === $('line')) {
    if (event.key === 'Escape') at.blur();
    return;
  }
  // Enter is for the button that has the focus.
  if (!$('keys').checked || event.key === 'Enter' && at.closest?.('button, input, a')) return;
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

$('say').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('line').value;
  if (text.trim() === '' || $('send').disabled) return;
  if (await post('say', { peer: state.feed, text }) && $('line').value === text) $('line').value = '';
});
$('line').addEventListener('blur', () => { if (state) show(); });
$('hangup').onclick = hangup;
$('privacy').onclick = () => post('privacy', { privacy: !state?.privacy });
$('showown').onclick = toggleOwn;
$('snapshot').onclick = snapshot;
$('fullscreen').onclick = fullscreen;
$('fullscreen').hidden = !document.fullscreenEnabled;
$('showinfo').onclick = toggleInfo;
document.addEventListener('visibilitychange', () => { look(); tell(); });

let heard = '0'; // the number of the last line

// follow listens to the server, for as long as the page is open.
function follow() {
  const events = new EventSource(`events?after=${heard}`);
  events.addEventListener('state', (event) => {
    const told = JSON.parse(event.data);
    clockAhead = told.now - Date.now();
    state = told.state;
    served = true;
    show();
  });
  events.addEventListener('said', (event) => { heard = event.lastEventId; said(JSON.parse(event.data)); });
  events.onopen = () => { served = true; look(); tell(); };
  events.onerror = () => {
    served = false;
    look();
    tell();
    if (events.readyState !== EventSource.CLOSED) return; // it tries again by itself
    events.close();
    setTimeout(follow, 2000);
  };
}

follow();
setInterval(tell, 250);
