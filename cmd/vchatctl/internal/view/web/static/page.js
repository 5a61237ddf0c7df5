// The page of vchatctl view --to web. It shows the state and the frames that the
// server sends. It never interprets a text as HTML.

const $ = (id) => document.getElementById(id);
const captionDuration = 8000; // ms
const endDuration = 10000; // ms: how long the end of a call fills the page
const quietAfter = 3000; // ms without input until the controls fade

// formatAge formats a duration, rounded down.
function formatAge(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} days`;
}

// formatDuration formats the duration of a call, as 1:02:03.
function formatDuration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60) % 60;
  return s < 3600 ? `${minutes}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(minutes)}:${two(s % 60)}`;
}

const formatTime = (date) => date.toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' });
// capitalize leaves the name of a program as it is.
const capitalize = (text) => (text.startsWith('vchat') ? text : text.charAt(0).toUpperCase() + text.slice(1));

// setText sets a text only if it changes: screen readers read out each write.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

const noAnswer = 'This page has ended: vchatctl does not answer.';

let live = null;        // the present connection to the server
let lastMessage = 0;    // its number
const request = (feed, after, signal) => live.request(feed, after, signal);
const main = new View($('frame'), request, { pipelined: true, onChange: () => updateTexts() });
const own = new View($('own'), request, { minInterval: 100, onChange: () => updateTexts() });
const tone = new RingTone(() => updateTexts());

let state = null;       // from the server
let problem = '';       // why the page is not connected to the server
let clockOffset = 0;    // server's clock minus performance.now(), in ms
let cameraShown = false; // the user wants to see this device's camera without a call
let ownShown = true;    // and the own picture in calls
let dismissed = -1;     // the end of a call that the user has closed
let unread = 0;         // messages since they were shown last

const serverNow = () => performance.now() + clockOffset;

function reasonText(reason) {
  if (!reason) return '';
  if (reason.since === undefined) return reason.text;
  return `${reason.text} ${formatAge(serverNow() - reason.since)}${reason.after ?? ''}`;
}

// reasonWithoutAge is for screen readers, which would read out each new age.
function reasonWithoutAge(reason) {
  return reason.since !== undefined ? reason.text + (reason.after ?? '').replace(/^ ago/, '') : reason.text;
}

const inCall = () => state?.call === 'active' || state?.call === 'resuming';
// wantsMain reports whether the large frame is to be requested. Nothing opens
// this device's camera before the user asks for it.
const wantsMain = () => Boolean(state?.live) && (state.feed !== 'self' || state.asked || cameraShown);
const wantsOwn = () => ownShown && inCall() && state.feed !== 'self';

// shownMode returns what the page looks like.
function shownMode() {
  if (problem) return 'problem';
  if (!state) return 'connecting';
  const e = state.ended;
  if (state.mode === 'idle' && e && e.at !== dismissed && serverNow() - e.at < endDuration) return 'ended';
  return state.mode;
}

// updateFeeds selects the feeds to request. A hidden page requests none, so that
// the cameras can close.
function updateFeeds() {
  if (state === null) return;
  const visible = !document.hidden && problem === '';
  const shown = wantsMain() || state.mode === 'problem';
  main.show(shown ? state.feed : null, visible && wantsMain());
  own.show(wantsOwn() ? 'self' : null, visible && wantsOwn());
  $('frame').classList.toggle('mirrored', state.feed === 'self' && !main.card);
}

// updateTexts updates what changes with time: the age of the frame, and why.
function updateTexts() {
  const mode = shownMode();
  const wanted = wantsMain();
  const empty = main.captured === null;
  const stale = main.isStale();
  const unsupported = main.isUnsupported() ? { text: 'unsupported JPEG: the browser cannot show it' } : null;
  const reason = problem ? { text: problem } : unsupported ?? state?.reason;
  // A card of the daemon says what the page says better.
  const noPicture = empty || mode === 'camera-off' || main.card && Boolean(reason);
  const seeing = wanted && !noPicture;
  setAttribute(document.body, 'data-mode', mode);
  document.body.classList.toggle('seeing', seeing);
  $('frame').classList.toggle('stale', stale);
  $('frame').classList.toggle('dimmed', stale || !['in-call', 'idle'].includes(mode));
  $('frame').classList.toggle('mirrored', state?.feed === 'self' && !main.card);
  $('frame').hidden = !(seeing || mode === 'problem' && !empty);
  if (seeing && !performance.getEntriesByName('first frame').length) performance.mark('first frame');
  $('ownbox').hidden = !wantsOwn() || Boolean(problem);
  $('ownoff').hidden = !(state?.privacy || own.card);
  setText($('ownwhy'), state?.privacy ? 'Camera off' : capitalize(state?.own || 'No picture'));
  $('own').classList.toggle('stale', own.isStale());

  updateCard(mode, { reason, stale, empty, noPicture });
  $('idle').hidden = mode !== 'idle' || Boolean(state.pairing) && !seeing;
  $('title').classList.toggle('spoken', !$('card').hidden || mode === 'idle' || mode === 'ringing');
  setText($('clock'), formatTime(new Date()));
  setText($('note'), idleNote(reason));
  const callTime = state?.answered != null && inCall() && !problem;
  $('duration').hidden = !callTime;
  if (callTime) setText($('duration'), formatDuration(serverNow() - state.answered));

  setText($('summary'), summaryText(mode, { reason, unsupported, stale, empty }));
  const whose = state?.feed === 'self' ? state.name || 'this device' : state?.feed ?? 'vchat';
  setAttribute($('frame'), 'aria-label', noPicture ? 'No picture' : `${stale ? 'Old picture' : 'Picture'} of ${whose}`);
  $('snapshot').disabled = !wanted || noPicture || Boolean(problem) || !state.daemon_up;
  if (!$('info').hidden) setText($('info'), main.stats());
  for (const hint of document.querySelectorAll('.ring .hint')) hint.hidden = !tone.isBlocked();
  updateQuiet();
}

// updateCard shows who and why where there is no picture to see.
function updateCard(mode, { reason, stale, empty, noPicture }) {
  const seen = { 'in-call': true, 'camera-off': true }[mode];
  const shown = ['calling', 'reconnecting', 'ended', 'problem', 'connecting'].includes(mode) || seen && (stale || noPicture);
  $('card').hidden = !shown || mode === 'idle' || Boolean(state?.ringing.length && !problem);
  $('after').hidden = mode !== 'ended' || Boolean(state.denied);
  const gone = problem === noAnswer;
  $('help-start').hidden = mode !== 'problem' || !gone && (Boolean(problem) || state.reason?.since === undefined);
  if ($('card').hidden) return;
  const peer = mode === 'ended' ? state.ended.peer : state?.peer || '';
  setText($('who'), mode === 'problem' ? 'Not connected' : mode === 'connecting' ? 'Connecting' : peer);
  const icon = mode === 'camera-off' ? 'cameraoff' : '';
  const letter = { problem: '!', connecting: '…' }[mode] ?? initial(peer);
  if ($('badge').dataset.of !== icon + letter) {
    $('badge').dataset.of = icon + letter;
    $('badge').replaceChildren(icon ? makeIcon(icon) : letter);
  }
  let text = reasonText(reason) || (empty ? 'waiting for a picture' : 'no new picture');
  if (mode === 'ended') text = state.ended.text;
  if (mode === 'calling') {
    const away = state.peers.some((p) => p.name === peer && !p.up);
    text = state.call === 'ringing' ? 'Ringing…' : away ? `${peer} is not reachable; still trying` : 'Calling…';
  }
  if (mode === 'connecting') text = 'waiting for vchatctl';
  const name = peer && text.startsWith(peer); // a name keeps its case
  setText($('reason'), name ? text : capitalize(text));
  setText($('age'), !empty && stale && mode !== 'ended' && mode !== 'calling' && !main.card
    ? `This picture is ${formatAge(main.age())} old.` : '');
  if (mode === 'problem') {
    setText($('help-start').firstElementChild, gone ? 'To start the page again:' : 'To see why:');
    $('then').hidden = !gone;
    setCommand(gone ? state?.command || 'vchatctl view --to web' : 'systemctl status vchatd');
  }
}

// setCommand shows a command that breaks only between its words.
function setCommand(text) {
  if ($('command').textContent === text) return;
  $('command').replaceChildren(...text.split(' ').flatMap((word, i) => [i ? ' ' : '', element('span', {}, word)]));
}

// idleNote returns the line below the name of an idle device.
function idleNote(reason) {
  if (!state) return '';
  if (state.denied) return state.denied;
  if (reason && (wantsMain() ? main.isStale() || main.card : state.privacy)) return `${capitalize(reasonText(reason))}.`;
  return state.summary === 'No call.' ? '' : state.summary;
}

// summaryText returns the state as sentences for screen readers.
function summaryText(mode, { reason, unsupported, stale, empty }) {
  let text = problem || (state?.summary ?? 'Connecting to vchatctl.');
  const frozen = !problem && wantsMain() && !empty && stale;
  if (frozen) text += ` No new picture${reason ? `: ${reasonWithoutAge(reason)}` : ''}.`;
  else if (!problem && (main.card || unsupported) && reason) text += ` No picture: ${reasonWithoutAge(reason)}.`;
  return text.replace(/[,.]\.$/, '.');
}

function updateState() {
  setText($('title'), state.title);
  setText($('name'), state.name || 'This device');
  const ringing = state.ringing.map((r) => r.peer);
  document.title = ringing.length ? `${ringing[0]} is calling` : state.pairing?.title ?? `${state.title} – vchat`;
  tone.set(ringing.length > 0 && problem === '');
  const may = state.daemon_up && !state.denied;
  $('hangup').hidden = state.call === '';
  $('hangup').disabled = !may;
  setToggle($('privacy'), state.privacy, state.privacy ? 'cameraoff' : 'camera', state.privacy ? 'Camera off' : 'Camera');
  $('privacy').disabled = !may;
  updateToggles();
  const canSend = may && inCall();
  // Leave the field enabled while it has the focus: the user may send the message
  // once the connection is back.
  $('line').disabled = !canSend && document.activeElement !== $('line');
  $('send').disabled = !canSend;
  setText($('to'), canSend ? `To ${state.peer}` : 'Messages need a call.');
  syncChildren($('ringing'), state.ringing, (r) => r.peer, makeRing, updateRing);
  const pairings = state.pairing ? [state.pairing] : [];
  syncChildren($('pairing'), pairings, (p) => JSON.stringify(p), makePairing, () => {});
  syncChildren($('peers'), state.peers, (p) => p.name, makePeer, updatePeer);
  $('nopeers').hidden = state.peers.length > 0 || !state.daemon_up;
  $('again').hidden = !state.peers.some((p) => p.name === state.ended?.peer);
  updateFeeds();
  updateTexts();
}

function setToggle(button, on, icon, text) {
  setAttribute(button, 'aria-pressed', on);
  setAttribute(button.querySelector('use'), 'href', `#icon-${icon}`);
  setText(button.querySelector('span'), text);
}

function updateToggles() {
  const calling = inCall();
  if (calling && state.feed !== 'self') setToggle($('showown'), ownShown, 'own', 'My picture');
  else setToggle($('showown'), Boolean(state) && state.feed === 'self' && (state.asked || cameraShown), 'own', 'Show my camera');
  $('showown').disabled = !state?.daemon_up || (state.feed === 'self' ? state.asked : !calling);
  $('message').disabled = $('chat').hidden && !calling && $('messages').children.length === 0;
  setAttribute($('message'), 'aria-expanded', !$('chat').hidden);
  $('unread').hidden = unread === 0;
  setText($('unread'), String(unread));
  setAttribute($('message'), 'aria-label', unread ? `Message, ${unread} new` : 'Message');
  $('nomessages').hidden = $('messages').children.length > 0;
  $('log').hidden = $('messages').children.length === 0;
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

const svg = 'http://www.w3.org/2000/svg';
function makeIcon(name) {
  const use = document.createElementNS(svg, 'use');
  use.setAttribute('href', `#icon-${name}`);
  const icon = document.createElementNS(svg, 'svg');
  icon.setAttribute('class', 'icon');
  icon.setAttribute('aria-hidden', 'true');
  icon.append(use);
  return icon;
}

// initial returns the first character of a name, in capitals.
function initial(name) {
  const [first] = new Intl.Segmenter().segment(name);
  return first ? first.segment.toUpperCase() : '';
}

function button(text, icon, key, className, onclick) {
  const b = element('button', { type: 'button', className }, makeIcon(icon), element('span', {}, text));
  // A double click must not send a command twice.
  let busy = false;
  b.onclick = async (event) => {
    if (busy) return;
    busy = true;
    try { await onclick(event); } finally { busy = false; }
  };
  if (key) {
    b.setAttribute('aria-keyshortcuts', key);
    b.title = `${text} (${key})`;
  }
  return b;
}

function makeRing({ peer }) {
  const text = element('h2', { className: 'who' }, element('bdi', {}, peer), element('span', {}, ' is calling'));
  const alert = element('div', {}, text);
  alert.setAttribute('role', 'alert');
  const badge = element('div', { className: 'badge' }, initial(peer));
  badge.setAttribute('aria-hidden', 'true');
  const e = element('section', { className: 'ring' }, badge, alert,
    element('p', { className: 'denied' }),
    element('div', { className: 'answers' },
      button('Decline', 'hangup', 'd', 'decline', () => post('decline', { peer })),
      button('Answer', 'answer', 'a', 'accept', () => post('answer', { peer }))),
    element('p', { className: 'hint', hidden: true }, 'Click or tap to hear the ring.'));
  e.setAttribute('aria-label', `Incoming call from ${peer}`);
  // Enter and Space answer, unless the user is busy elsewhere.
  if (document.activeElement === document.body) {
    requestAnimationFrame(() => e.querySelector('.accept').focus({ focusVisible: true }));
  }
  return e;
}

function updateRing(e) {
  setText(e.querySelector('.denied'), state.denied);
  e.querySelector('.answers').hidden = Boolean(state.denied);
}

const pairDelay = 1000; // ms; a double click must not answer what it reveals

function makePairing(pairing) {
  const text = element('p', {}, capitalize(pairing.title));
  const e = element('section', { className: 'pairing' }, text);
  if (pairing.code) e.append(element('p', { className: 'code' }, pairing.code));
  e.append(element('p', { className: 'text' }, capitalize(pairing.text)));
  e.setAttribute('role', 'alert');
  e.setAttribute('aria-label', 'Pairing');
  const shown = performance.now();
  const answer = (yes) => () => { if (performance.now() - shown >= pairDelay) answerPairing(pairing, yes); };
  const answers = element('div', { className: 'answers' });
  if (pairing.no) answers.append(button(capitalize(pairing.no), 'close', 'n', 'decline', answer(false)));
  if (pairing.yes) answers.append(button(capitalize(pairing.yes), 'accept', 'y', 'accept', answer(true)));
  e.append(answers);
  return e;
}

async function answerPairing({ state: step, id, code, name }, yes) {
  if (!yes) post('pair/refuse', { id });
  else if (step === 'comparing') post('pair/confirm', { code, name });
  else if (await post('pair/accept', { id })) showNote('Paired: the device is in the list of peers.');
}

function makePeer({ name }) {
  const status = element('small', {});
  const b = button('Call', 'answer', '', '', () => post(b.dataset.command, { peer: name }));
  return element('li', {}, element('span', {}, element('bdi', {}, name), status), b);
}

function updatePeer(e, peer) {
  setText(e.querySelector('small'), peer.status);
  e.className = peer.up ? 'up' : 'down';
  const b = e.querySelector('button');
  b.dataset.command = peer.call ? (peer.call === 'incoming' ? 'decline' : 'hangup') : 'call';
  const text = { call: 'Call', hangup: 'Hang up', decline: 'Decline' }[b.dataset.command];
  setText(b.querySelector('span'), text);
  setAttribute(b.querySelector('use'), 'href', peer.call ? '#icon-hangup' : '#icon-answer');
  setAttribute(b, 'aria-label', `${text} ${peer.name}`);
  b.className = peer.call ? 'decline' : peer.up ? 'accept' : '';
  b.disabled = Boolean(state.denied);
}

// The messages stay at their end, also when a keyboard on the screen takes room.
let logAtEnd = true;
$('log').addEventListener('scroll', () => {
  const log = $('log');
  logAtEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 20;
});
new ResizeObserver(() => { if (logAtEnd) $('log').scrollTop = $('log').scrollHeight; }).observe($('log'));

function addMessage({ age_ms: age, peer, mine, text }) {
  const sender = mine ? (state?.name || 'this device') : peer;
  const when = new Date(Date.now() - age);
  const log = $('log');
  const list = $('messages');
  const line = () => [element('b', {}, element('bdi', {}, sender)), ': ', element('bdi', {}, text)];
  list.append(element('li', { className: mine ? 'mine' : '' }, ...line(), ' ',
    element('time', { dateTime: when.toISOString() }, formatTime(when))));
  while (list.children.length > 50) list.firstChild.remove();
  if (logAtEnd) log.scrollTop = log.scrollHeight;
  const remaining = captionDuration - age;
  if ($('chat').hidden && remaining > 0) {
    if (!mine) unread++;
    const caption = element('p', {}, ...line());
    $('captions').append(caption);
    trimCaptions();
    setTimeout(() => caption.remove(), remaining);
  }
  updateToggles();
}

// trimCaptions removes old captions, until those that are left fit as a whole.
function trimCaptions() {
  const captions = $('captions').children;
  while (captions.length > 4 || captions.length > 1 && captions[0].offsetTop < 0) captions[0].remove();
}
addEventListener('resize', trimCaptions);

function openChat() {
  if ($('message').disabled) return;
  $('chat').hidden = false;
  $('captions').replaceChildren();
  unread = 0;
  logAtEnd = true;
  updateToggles();
  $('log').scrollTop = $('log').scrollHeight;
  ($('line').disabled ? $('closechat') : $('line')).focus();
  updateTexts();
}

function closeChat() {
  if ($('chat').hidden) return;
  $('chat').hidden = true;
  updateToggles();
  // The focus goes back to what opened the messages.
  if ($('message').disabled) document.activeElement?.blur();
  else $('message').focus({ focusVisible: false });
  if (state) updateState();
}

let problemTimer = null;
function showProblem(text, isNote = false) {
  clearTimeout(problemTimer);
  setText($('problem'), text);
  $('problem').classList.toggle('note', isNote);
  if (text) problemTimer = setTimeout(() => showProblem(''), 12000);
}
const showNote = (text) => showProblem(text, true);

// errorText returns the error of a response.
async function errorText(response) {
  const body = await response.json().catch(() => null);
  return `${capitalize(body?.error?.message ?? `error ${response.status}`)}.`;
}

async function post(command, body) {
  try {
    const response = await fetch(command, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    showProblem(response.ok ? '' : await errorText(response));
    return response.ok;
  } catch {
    showProblem('vchatctl does not answer.');
    return false;
  }
}

async function snapshot() {
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
    showProblem('No snapshot: vchatctl does not answer.');
  }
}

function fullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => showProblem('The browser does not allow full screen.'));
}

// toggleOwn shows or hides the own picture: in a call in the corner, else large.
function toggleOwn() {
  if ($('showown').disabled) return;
  if (inCall()) ownShown = !ownShown;
  else cameraShown = !cameraShown;
  updateToggles();
  updateFeeds();
  updateTexts();
}

// The own picture lies in a corner: where it is dragged to, or where the arrow
// keys move it. [upper, left]
let ownCorner = [true, false];
function placeOwn(upper, left) {
  ownCorner = [upper, left];
  document.body.dataset.own = `${upper ? 'upper' : 'lower'}-${left ? 'left' : 'right'}`;
}
$('ownbox').addEventListener('pointerdown', (event) => {
  if (event.button !== 0) return;
  const box = $('ownbox');
  box.setPointerCapture(event.pointerId);
  box.classList.add('dragged');
  const move = (e) => { box.style.translate = `${e.clientX - event.clientX}px ${e.clientY - event.clientY}px`; };
  const end = (e) => {
    box.removeEventListener('pointermove', move);
    for (const type of ['pointerup', 'pointercancel']) box.removeEventListener(type, end);
    const own = box.getBoundingClientRect(), stage = $('stage').getBoundingClientRect();
    box.style.translate = '';
    box.classList.remove('dragged');
    if (e.type === 'pointercancel') return;
    placeOwn(own.top + own.height / 2 < stage.height / 2, own.left + own.width / 2 < stage.left + stage.width / 2);
  };
  box.addEventListener('pointermove', move);
  for (const type of ['pointerup', 'pointercancel']) box.addEventListener(type, end);
});

// arrow moves the focus along the controls or, if they do not have it, the own
// picture.
function arrow(by, upper, left) {
  const controls = [...$('tools').querySelectorAll('button:enabled')].filter((b) => b.checkVisibility());
  const at = controls.indexOf(document.activeElement);
  if (at >= 0) controls[(at + by + controls.length) % controls.length].focus();
  else if (wantsOwn()) placeOwn(upper ?? ownCorner[0], left ?? ownCorner[1]);
}

function toggleInfo() {
  $('info').hidden = !$('info').hidden;
  setAttribute($('showinfo'), 'aria-pressed', !$('info').hidden);
  updateTexts();
}

function toggleHelp() {
  if ($('help').open) $('help').close();
  else $('help').showModal();
}

const click = (id) => () => { if (!$(id).hidden) $(id).click(); };
// clickIn presses a button of the pairing or the caller that is shown.
const clickIn = (parent, className) => () => $(parent).querySelector(`button.${className}`)?.click();

const keys = {
  f: fullscreen, s: click('snapshot'), p: toggleOwn, i: toggleInfo, h: click('hangup'), c: click('privacy'),
  a: clickIn('ringing', 'accept'), d: clickIn('ringing', 'decline'), y: clickIn('pairing', 'accept'), n: clickIn('pairing', 'decline'),
  '?': toggleHelp, Enter: openChat, Escape: closeChat,
  ArrowUp: () => arrow(-1, true), ArrowDown: () => arrow(1, false),
  ArrowLeft: () => arrow(-1, undefined, true), ArrowRight: () => arrow(1, undefined, false),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
  const target = event.target;
  if (target === $('line')) {
    if (event.key === 'Escape') closeChat();
    return;
  }
  // Escape closes the keys by itself. Enter belongs to the button that has the focus.
  if ($('help').open && !['?', 'i'].includes(event.key)) return;
  if (!$('shortcuts').checked && event.key !== 'Escape' || event.key === 'Enter' && target.closest?.('button, input, a')) return;
  if (!Object.hasOwn(keys, event.key)) return;
  // What scrolls, scrolls.
  if (event.key.startsWith('Arrow') && target.closest?.('#log, #others, #card')) return;
  event.preventDefault();
  keys[event.key]();
});

// The controls appear with any input, and fade where they would cover a picture.
let awakeUntil = 0;
let wokenAt = -Infinity;
function wake(event) {
  const quiet = document.body.classList.contains('quiet');
  if (quiet && event?.type === 'pointerdown') wokenAt = event.timeStamp;
  awakeUntil = performance.now() + quietAfter;
  document.body.classList.remove('quiet');
}
function updateQuiet() {
  const covered = shownMode() === 'in-call' && $('card').hidden && $('chat').hidden && !$('help').open &&
    !state.ringing.length && !state.pairing && !$('tools').matches(':hover');
  document.body.classList.toggle('quiet', covered && performance.now() > awakeUntil);
}
for (const event of ['pointermove', 'pointerdown', 'keydown', 'focusin']) document.addEventListener(event, wake, { passive: true });
// A touch that makes the controls appear does not press the one that it hits.
$('tools').addEventListener('click', (event) => {
  if (event.timeStamp - wokenAt < 700 && event.detail > 0) event.stopPropagation();
  wokenAt = -Infinity;
  // After a click, the keys belong to the page again.
  if (event.detail > 0 && document.activeElement?.closest('#tools')) document.activeElement.blur();
}, { capture: true });
$('stage').addEventListener('dblclick', (event) => {
  if (!event.target.closest('button, #tools, #others, .ring, .pairing')) fullscreen();
});

$('say').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('line').value;
  if (text.trim() === '' || $('send').disabled) return;
  if (await post('say', { peer: state.peer, text }) && $('line').value === text) $('line').value = '';
});
$('line').addEventListener('blur', () => { if (state) updateState(); });
$('hangup').onclick = () => post('hangup', { peer: state.peer });
$('privacy').onclick = () => post('privacy', { privacy: !state.privacy });
$('showown').onclick = toggleOwn;
$('message').onclick = () => ($('chat').hidden ? openChat() : closeChat());
$('closechat').onclick = closeChat;
$('snapshot').onclick = snapshot;
$('fullscreen').onclick = fullscreen;
$('fullscreen').hidden = !document.fullscreenEnabled;
document.addEventListener('fullscreenchange', () => {
  const full = Boolean(document.fullscreenElement);
  setAttribute($('fullscreen').querySelector('use'), 'href', full ? '#icon-leavefullscreen' : '#icon-fullscreen');
  setText($('fullscreen').querySelector('span'), full ? 'Leave' : 'Full screen');
  setAttribute($('fullscreen'), 'aria-label', full ? 'Leave full screen' : 'Full screen');
});
$('keys').onclick = toggleHelp;
$('closehelp').onclick = toggleHelp;
$('showinfo').onclick = toggleInfo;
$('dismiss').onclick = () => { dismissed = state.ended.at; updateTexts(); };
$('again').onclick = () => post('call', { peer: state.ended.peer });
document.addEventListener('visibilitychange', () => { updateFeeds(); updateTexts(); });

function disconnect(text) {
  problem = text;
  tone.set(false);
  for (const id of ['privacy', 'showown', 'hangup', 'send']) $(id).disabled = true;
  $('ringing').replaceChildren();
  $('pairing').replaceChildren();
  updateFeeds();
  updateTexts();
}

// follow keeps the connection to the server while the page is open.
function follow() {
  let refused = '';
  live = live ? new Live(lastMessage) : firstLive;
  live.attach({
    state(update) {
      clockOffset = update.now - update.received;
      if (inCall() && update.state.call === '') cameraShown = false; // the own camera ends with the call
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
