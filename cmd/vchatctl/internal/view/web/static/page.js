// The page of vchatctl view --to web. It shows the state and the frames that the
// server sends. It never interprets a text as HTML.

import { View } from './frame.js';
import { Live } from './live.js';

const $ = (id) => document.getElementById(id);
const captionDuration = 8000; // ms

// formatAge formats a duration, rounded down.
function formatAge(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} days`;
}

// setText sets a text only if it changes: screen readers read out each write.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let live = null;        // the present connection to the server
let lastMessage = 0;    // its number
const request = (feed, after, signal) => live.request(feed, after, signal);
const main = new View($('frame'), request, { pipelined: true });
const own = new View($('own'), request, { minInterval: 100 });

let state = null;       // from the server
let problem = '';       // why the page is not connected to the server
let clockOffset = 0;    // server's clock minus performance.now(), in ms
let ownShown = true;

function reasonText(reason) {
  if (!reason) return '';
  if (reason.since === undefined) return reason.text;
  return `${reason.text} ${formatAge(performance.now() + clockOffset - reason.since)}${reason.after ?? ''}`;
}

// reasonWithoutAge is for screen readers, which would read out each new age.
function reasonWithoutAge(reason) {
  return reason.since !== undefined ? reason.text + (reason.after ?? '').replace(/^ ago/, '') : reason.text;
}

// updateFeeds selects the feeds to request. A hidden page requests none, so that
// the cameras can close.
function updateFeeds() {
  if (state === null) return;
  const visible = !document.hidden && problem === '';
  const inCall = state.call === 'active' || state.call === 'resuming';
  const showOwn = ownShown && state.feed !== 'self' && inCall;
  main.show(state.feed, visible && state.live);
  own.show(showOwn ? 'self' : null, visible && showOwn);
  $('own').hidden = !showOwn;
}

// updateTexts updates what changes with time: the age of the frame, and why.
function updateTexts() {
  const stale = main.isStale();
  const empty = main.captured === null;
  const unsupported = main.isUnsupported() ? { text: 'unsupported JPEG: the browser cannot show it' } : null;
  const reason = problem ? { text: problem } : unsupported ?? state?.reason;
  $('frame').classList.toggle('stale', stale);
  $('own').classList.toggle('stale', own.isStale());
  $('veil').hidden = !stale;
  if (stale) {
    setText($('reason'), reasonText(reason) || (empty ? 'waiting for a picture' : 'no new picture'));
    setText($('age'), empty ? '' : `This picture is ${formatAge(main.age())} old.`);
  }
  let summary = problem || (state?.summary ?? 'Connecting to vchatctl.');
  const frozen = !problem && state?.live && !empty && stale;
  if (frozen) summary += ` No new picture${reason ? `: ${reasonWithoutAge(reason)}` : ''}.`;
  else if (!problem && (main.card || unsupported) && reason) summary += ` No picture: ${reasonWithoutAge(reason)}.`;
  setText($('summary'), summary.replace(/[,.]\.$/, '.'));
  const label = empty ? 'No picture' : `${stale ? 'Old picture' : 'Picture'} of ${state?.title ?? 'vchat'}`;
  if ($('frame').getAttribute('aria-label') !== label) $('frame').setAttribute('aria-label', label);
  if (!$('info').hidden) setText($('info'), main.stats());
}

function updateState() {
  setText($('title'), state.title);
  const ringing = state.ringing.map((r) => r.peer);
  document.title = ringing.length ? `${ringing[0]} is calling` : state.pairing?.title ?? `${state.title} – vchat`;
  $('hangup').hidden = state.call === '' || state.call === 'incoming';
  $('privacy').setAttribute('aria-pressed', state.privacy);
  $('privacy').disabled = !state.daemon_up;
  $('snapshot').disabled = !state.live || !state.daemon_up;
  const canSend = state.daemon_up && (state.call === 'active' || state.call === 'resuming');
  // Leave the field enabled while it has the focus: the user may send the message
  // once the connection is back.
  $('line').disabled = !canSend && document.activeElement !== $('line');
  $('send').disabled = !canSend;
  setText($('to'), canSend ? `Message to ${state.feed}` : 'Messages need a call');
  syncChildren($('ringing'), state.ringing, (r) => r.peer, makeRing, () => {});
  const pairings = state.pairing ? [state.pairing] : [];
  syncChildren($('pairing'), pairings, (p) => JSON.stringify(p), makePairing, () => {});
  syncChildren($('peers'), state.peers, (p) => p.name, makePeer, updatePeer);
  updateFeeds();
  updateTexts();
}

// syncChildren makes an element for each item. It keeps existing elements, which
// may have the focus.
function syncChildren(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((e) => [e.dataset.key, e]));
  for (const item of items) {
    const k = key(item);
    let e = old.get(k);
    if (!e) {
      e = make(item);
      e.dataset.key = k;
      parent.append(e);
    }
    old.delete(k);
    update(e, item);
  }
  for (const e of old.values()) e.remove();
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
    button('Answer', 'a', 'answer', () => post('answer', { peer })), button('Decline', 'd', 'end', () => post('decline', { peer })));
  e.setAttribute('aria-label', 'Incoming call');
  return e;
}

const pairDelay = 1000; // ms; a double click must not answer what it reveals

function makePairing(pairing) {
  const text = element('p', {}, pairing.title);
  const e = element('section', { className: 'ring pairing' }, text);
  if (pairing.code) e.append(element('p', { className: 'code' }, pairing.code));
  e.append(element('p', { className: 'text' }, pairing.text));
  e.setAttribute('role', 'alert');
  e.setAttribute('aria-label', 'Pairing');
  const shown = performance.now();
  const answer = (yes) => () => { if (performance.now() - shown >= pairDelay) answerPairing(pairing, yes); };
  if (pairing.yes) e.append(button(capitalize(pairing.yes), 'y', 'answer', answer(true)));
  if (pairing.no) e.append(button(capitalize(pairing.no), 'n', 'end', answer(false)));
  return e;
}

const capitalize = (text) => text.charAt(0).toUpperCase() + text.slice(1);

async function answerPairing({ state: step, id, code, name }, yes) {
  if (!yes) post('pair/refuse', { id });
  else if (step === 'comparing') post('pair/confirm', { code, name });
  else if (await post('pair/accept', { id })) showNote('Paired: the device is in the list of peers.');
}

function makePeer({ name }) {
  const status = element('small', {});
  return element('li', {}, element('span', {}, name, status), button('', '', '', (event) => {
    post(event.target.dataset.command, { peer: name });
  }));
}

function updatePeer(e, peer) {
  setText(e.querySelector('small'), peer.status);
  const b = e.querySelector('button');
  b.dataset.command = peer.call ? (peer.call === 'incoming' ? 'decline' : 'hangup') : 'call';
  const text = { call: 'Call', hangup: 'Hang up', decline: 'Decline' }[b.dataset.command];
  setText(b, text);
  b.setAttribute('aria-label', `${text} ${peer.name}`);
  b.classList.toggle('end', Boolean(peer.call));
}

function addMessage({ age_ms: age, peer, mine, text }) {
  const sender = mine ? (state?.name || 'this device') : peer;
  const when = new Date(Date.now() - age);
  const log = $('messages');
  const atEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 20;
  log.append(element('li', {}, element('b', {}, sender), ': ', text, ' ',
    element('time', { dateTime: when.toISOString() }, when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))));
  while (log.children.length > 50) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
  const remaining = captionDuration - age;
  if (remaining <= 0) return;
  const caption = element('p', {}, `${sender}: ${text}`);
  $('captions').append(caption);
  while ($('captions').children.length > 4) $('captions').firstChild.remove();
  setTimeout(() => caption.remove(), remaining);
}

let problemTimer = null;
function showProblem(text, isNote = false) {
  clearTimeout(problemTimer);
  $('problem').textContent = text;
  $('problem').classList.toggle('note', isNote);
  if (text) problemTimer = setTimeout(() => showProblem(''), 12000);
}
const showNote = (text) => showProblem(text, true);

// errorText returns the error of a response.
async function errorText(response) {
  const body = await response.json().catch(() => null);
  return `Failed: ${body?.error?.message ?? response.status}.`;
}

async function post(command, body) {
  try {
    const response = await fetch(command, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    showProblem(response.ok ? '' : await errorText(response));
    return response.ok;
  } catch {
    showProblem('Failed: vchatctl does not answer.');
    return false;
  }
}

async function snapshot() {
  if ($('snapshot').disabled) return;
  const feed = state.feed;
  try {
    const response = await fetch(`snapshot/${encodeURIComponent(feed)}`);
    if (!response.ok) { showProblem(await errorText(response)); return; }
    const url = URL.createObjectURL(await response.blob());
    const name = decodeURIComponent(response.headers.get('X-File-Name'));
    element('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    showNote(`Saved ${name} in the browser's download folder.`);
  } catch {
    showProblem('Snapshot failed: vchatctl does not answer.');
  }
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => showProblem('The browser does not allow fullscreen.'));
}

function toggleOwn() {
  ownShown = !ownShown;
  $('showown').setAttribute('aria-pressed', ownShown);
  updateFeeds();
}

function toggleInfo() {
  $('info').hidden = !$('info').hidden;
  $('showinfo').setAttribute('aria-pressed', !$('info').hidden);
  updateTexts();
}

const hangup = () => { if (!$('hangup').hidden) post('hangup', { peer: state.feed }); };
// clickPairing presses a button of the pairing that is shown.
const clickPairing = (className) => $('pairing').querySelector(`button.${className}`)?.click();
const firstCaller = (command) => { if (state?.ringing.length) post(command, { peer: state.ringing[0].peer }); };

const keys = {
  f: fullscreen, s: snapshot, p: toggleOwn, i: toggleInfo, h: hangup, a: () => firstCaller('answer'), d: () => firstCaller('decline'),
  y: () => clickPairing('answer'), n: () => clickPairing('end'),
  Enter: () => $('line').focus(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
  const target = event.target;
  if (target === $('line')) {
    if (event.key === 'Escape') target.blur();
    return;
  }
  // Enter belongs to the button that has the focus.
  if (!$('keys').checked || event.key === 'Enter' && target.closest?.('button, input, a')) return;
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
$('line').addEventListener('blur', () => { if (state) updateState(); });
$('hangup').onclick = hangup;
$('privacy').onclick = () => post('privacy', { privacy: !state?.privacy });
$('showown').onclick = toggleOwn;
$('snapshot').onclick = snapshot;
$('fullscreen').onclick = fullscreen;
$('fullscreen').hidden = !document.fullscreenEnabled;
$('showinfo').onclick = toggleInfo;
document.addEventListener('visibilitychange', () => { updateFeeds(); updateTexts(); });

const noAnswer = 'vchatctl does not answer. It may have stopped.';

function disconnect(text) {
  problem = text;
  updateFeeds();
  updateTexts();
}

// follow keeps the connection to the server while the page is open.
function follow() {
  let refused = '';
  live = new Live(lastMessage, {
    state(update) {
      clockOffset = update.now - performance.now();
      state = update.state;
      problem = '';
      updateState();
    },
    chat(message) {
      lastMessage = message.number;
      addMessage(message);
    },
    refused(text) { refused = text; },
    closed() {
      disconnect(refused || noAnswer);
      setTimeout(follow, 1000);
    },
  });
}

follow();
setInterval(updateTexts, 250);
