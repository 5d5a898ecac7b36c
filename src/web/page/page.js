'use strict';
(() => {
const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const VIEWS = [['now', 'Now'], ['keys', 'Keys'], ['alerts', 'Alerts'], ['sources', 'Sources'], ['redactions', 'Redactions']];
const main = $('main');
let token = sessionStorage.getItem('token') || '';
let now = null, before = null, changes = null, view = {}, timer = 0, last = '';

// ---- building: text is only ever text, and what could turn it round is shown as a mark ----
const TRICKS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
function fill(node, props, kids) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value == null || value === false) continue;
    if (name === 'on') for (const [type, act] of Object.entries(value)) node.addEventListener(type, act);
    else if (name === 'w') node.style.setProperty('--w', value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  for (const kid of kids.flat(Infinity)) if (kid != null && kid !== false) node.append(typeof kid === 'string' ? kid.replace(TRICKS, '\ufffd') : kid);
  return node;
}
const h = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);
const s = (tag, props, ...kids) => fill(document.createElementNS(SVG, tag), props, kids);
const card = (title, ...kids) => h('section', {class: 'card'}, h('h2', {}, title), kids);
const link = (to, text, props) => h('a', {href: '#' + to.map(encodeURIComponent).join('/'), ...props}, text);

// ---- words ----
const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', {notation: 'compact', maximumFractionDigits: 1});
const num = n => n == null ? '–' : Math.abs(n) < 1e5 ? whole.format(Math.round(n * 100) / 100) : short.format(n);
function size(n) {
  if (n == null) return '–';
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (n < 1024 || unit === 'TiB') return (n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)) + ' ' + unit;
    n /= 1024;
  }
}
function span(seconds) {
  if (seconds < 0) return 'now';
  for (const [n, unit] of [[86400 * 60, 'mo'], [86400, 'd'], [3600, 'h'], [60, 'min']])
    if (seconds >= (unit === 'mo' ? n : n)) return unit === 'mo' ? Math.round(seconds / 86400 / 30) + ' mo' : Math.floor(seconds / n) + ' ' + unit;
  return Math.floor(seconds) + ' s';
}
const date = t => new Date(t).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'medium'});
const when = t => t ? h('time', {datetime: t, title: t}, date(t)) : '–';
const ago = t => t ? h('time', {datetime: t, title: date(t)}, span((Date.now() - Date.parse(t)) / 1000) + ' ago') : '–';
const fast = n => n == null ? '–' : n < 1e-3 ? Math.round(n * 1e6) + ' µs' : n < 1 ? (n * 1e3).toFixed(1) + ' ms' : n.toFixed(1) + ' s';
const percent = n => n == null ? '–' : (n * 100).toFixed(n > 0 && n < .1 ? 1 : 0) + ' %';
const room = () => Math.max(280, Math.min(1400, main.clientWidth - 90));
const nameOf = k => k.label || '[' + k.type + ':' + k.tag + ']';
const severity = a => h('span', {class: 'pill ' + (a.status === 'resolved' ? 'good' : a.severity === 'critical' ? 'bad' : a.severity === 'warning' ? 'warn' : 'soft')}, a.status === 'resolved' ? 'resolved' : a.severity);
function outside(url, text) {
  try { if (/^https?:$/.test(new URL(url).protocol)) return h('a', {href: url, rel: 'noopener noreferrer', target: '_blank'}, text); } catch { /* no URL */ }
  return h('span', {}, text);
}

// ---- tables and charts ----
function table(caption, heads, rows, props) {
  if (!rows.length) return h('p', {class: 'soft'}, props?.empty || 'Nothing yet.');
  const cell = (value, n) => h('td', {class: heads[n][1]}, value);
  return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption}, h('table', {}, h('caption', {class: props?.show ? '' : 'hidden'}, caption),
    h('thead', {}, h('tr', {}, heads.map(([text, kind]) => h('th', {scope: 'col', class: kind}, text)))),
    h('tbody', {}, rows.map(row => h('tr', {}, row.map(cell))))));
}
function sparkline(values, label) {
  const most = Math.max(1, ...values), w = 7;
  return s('svg', {width: values.length * w, height: 22, role: 'img', 'aria-label': label}, values.map((v, n) => {
    const tall = v ? Math.max(2, v / most * 20) : 1;
    return s('rect', {class: v ? 'bar' : 'none', x: n * w, y: 21 - tall, width: w - 2, height: tall});
  }));
}
function bars(entries, label, text) {
  const W = room(), H = 170, low = 145, most = Math.max(1, ...entries.map(e => Math.max(e.requests || 0, e.usual || 0)));
  const step = W / entries.length, up = v => v / most * 125;
  const drawn = entries.map((e, n) => {
    const x = n * step + 1, wide = Math.max(1, step - 2), errors = (e.errors || 0) + (e.refused || 0);
    const title = text(e) + ': ' + (e.requests == null ? 'not known' : num(e.requests) + ' requests, ' + num(e.errors) + ' errors, ' + num(e.refused) + ' refused');
    if (e.requests == null) return s('rect', {class: 'none', x, y: low - 3, width: wide, height: 3}, s('title', {}, title));
    const tall = e.requests ? Math.max(2, up(e.requests)) : 1, wrong = Math.min(tall, up(errors));
    return [s('rect', {class: e.requests ? 'bar' : 'none', x, y: low - tall, width: wide, height: tall}, s('title', {}, title)),
      errors ? s('rect', {class: 'err', x, y: low - Math.max(2, wrong), width: wide, height: Math.max(2, wrong)}) : null];
  });
  const usual = entries.some(e => e.usual != null) ? s('polyline', {class: 'usual', points: entries.map((e, n) => (n + .5) * step + ',' + (low - up(e.usual || 0))).join(' ')}) : null;
  const marks = entries.map((e, n) => n % Math.ceil(entries.length / (W / 90)) || n * step > W - 55 ? null : s('text', {x: n * step, y: 163}, text(e)));
  return h('figure', {class: 'row'},
    s('svg', {class: 'chart', width: W, height: H, viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': label}, s('text', {x: 0, y: 12}, 'most: ' + num(most)), s('line', {class: 'axis', x1: 0, x2: W, y1: low, y2: low}), drawn, usual, marks),
    h('details', {}, h('summary', {}, 'Numbers'), table(label, [['From', ''], ['Requests', 'n'], ['Errors', 'n'], ['Refused', 'n']], entries.map(e => [text(e), num(e.requests), num(e.errors), num(e.refused)]))));
}
function trace(points, label, unit) {
  const W = room(), H = 130, most = Math.max(1, ...points.map(p => p.v));
  const t0 = points[0]?.t || 0, long = Math.max(1, (points.at(-1)?.t || 1) - t0);
  const at = points.map(p => ((p.t - t0) / long * W).toFixed(1) + ',' + (112 - p.v / most * 92).toFixed(1));
  return s('svg', {class: 'chart', width: W, height: H, viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `${label}: most ${unit(most)}, now ${unit(points.at(-1)?.v || 0)}`},
    s('text', {x: 0, y: 12}, 'most: ' + unit(most)), s('line', {class: 'axis', x1: 0, x2: W, y1: 112, y2: 112}),
    at.length > 1 ? [s('polygon', {class: 'area', points: `0,112 ${at.join(' ')} ${W},112`}), s('polyline', {class: 'trace', points: at.join(' ')})] : null,
    s('text', {x: 0, y: 126}, points.length ? new Date(t0).toLocaleTimeString() : ''), s('text', {x: W, y: 126, 'text-anchor': 'end'}, 'now'));
}

// ---- talking to the service ----
async function call(path, options = {}) {
  const headers = {...(options.body == null ? {} : {'Content-Type': 'application/json'}), ...(token ? {Authorization: 'Bearer ' + token} : {})};
  const answer = await fetch(path, {...options, headers, cache: 'no-store'});
  if (answer.ok) return answer;
  let why = answer.statusText;
  try { const body = await answer.json(); why = body.why || body.error || why; } catch { /* no words */ }
  const error = new Error(answer.status === 401 ? 'the token is needed, and the right one' : why);
  error.status = answer.status;
  throw error;
}
const get = async path => (await call('/api/v1/' + path)).json();
const post = async (path, body) => (await call('/api/v1/' + path, {method: 'POST', body: JSON.stringify(body)})).json();
function say(text) { $('said').textContent = text; clearTimeout(say.timer); say.timer = setTimeout(() => { $('said').textContent = ''; }, 6000); }
function askToken() {
  return new Promise(done => {
    const ask = $('ask');
    $('secret').value = '';
    ask.onclose = () => {
      if (ask.returnValue === 'ok') { token = $('secret').value.trim(); sessionStorage.setItem('token', token); }
      $('secret').value = '';
      done(ask.returnValue === 'ok');
    };
    ask.returnValue = 'cancel';
    if (!ask.open) ask.showModal();
  });
}
async function act(path, body, done) {
  for (;;) {
    try { await post(path, body); say(done); return true; } catch (error) {
      if (error.status !== 401) { say('Not done: ' + error.message); return false; }
      if (!await askToken()) return false;
    }
  }
}
async function listen() {
  for (;;) {
    try {
      const reader = (await call('/api/v1/events')).body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const {value, done} = await reader.read();
        if (done) break;
        rest += value;
        const parts = rest.split('\n\n');
        rest = parts.pop();
        for (const part of parts) if (part.startsWith('event: now\ndata: ')) hear(JSON.parse(part.slice(17)));
      }
    } catch (error) { if (error.status === 401) { state('token needed', 'bad'); if (await askToken()) { show(); continue; } } }
    state('not connected', 'bad');
    await new Promise(later => setTimeout(later, 2000));
  }
}
function state(text, kind) {
  const node = $('state');
  if (node.textContent !== text) { node.textContent = text; node.className = kind; }
}
function hear(update) {
  before = now; now = update;
  state(!update.ready ? 'in trouble' : update.alerts_firing ? `live, ${update.alerts_firing} firing` : 'live, all quiet', !update.ready || update.alerts_firing ? 'bad' : 'good');
  document.title = (update.alerts_firing ? `(${update.alerts_firing}) ` : '') + 'logwarden';
  if (view.live) view.live();
  if (changes != null && changes !== update.alert_changes && view.alerts) refresh();
  changes = update.alert_changes;
}

// ---- views ----
const rate = name => before && now && now.at !== before.at ? Math.max(0, (now[name] - before[name]) / ((Date.parse(now.at) - Date.parse(before.at)) / 1000)) : null;
function viewNow() {
  const tiles = h('dl', {class: 'tiles'}), chart = h('div', {class: 'soft'}, 'In a few seconds.'), rest = h('div');
  const points = [];
  const tile = (name, big, small) => h('div', {}, h('dt', {}, name), h('dd', {}, big, h('small', {}, small)));
  const draw = () => {
    if (!now) return;
    tiles.replaceChildren(
      tile('Lines', num(rate('lines')) + '/s', num(now.lines) + ' in all'), tile('Bytes', size(rate('bytes')) + '/s', size(now.bytes) + ' in all'),
      tile('Redactions', num(rate('redactions')) + '/s', num(now.redactions) + ' in all'), tile('Lag', size(now.lag_bytes), 'not read yet'),
      tile('Keys', num(now.keys), 'watched'), tile('Alerts', num(now.alerts_firing), 'firing'), tile('Withheld', num(now.withheld), 'lines'));
    const per = rate('lines');
    if (per != null && points.at(-1)?.t !== Date.parse(now.at)) points.push({t: Date.parse(now.at), v: per});
    while (points.length > 3600) points.shift();
    if (points.length > 1) chart.replaceChildren(trace(points, 'Lines a second over the last hour', v => num(v) + '/s'));
  };
  const load = async () => {
    const [status, redactions, alerts] = await Promise.all([get('status'), get('redactions'), get('alerts?status=firing&limit=10')]);
    $('host').textContent = status.host;
    if (!points.length) for (let n = 1; n < status.history.length; n++) {
      const [a, b] = [status.history[n - 1], status.history[n]], t = Date.parse(b.at), took = (t - Date.parse(a.at)) / 1000;
      if (took > 0) points.push({t, v: Math.max(0, b.lines - a.lines) / took});
    }
    if (!now) { now = status.now; }
    draw();
    const most = Math.max(1, ...redactions.rules.map(r => r.count));
    rest.replaceChildren(
      status.not_ready.length ? h('section', {class: 'card trouble'}, h('h2', {class: 'bad'}, 'In trouble'), h('ul', {class: 'plain'}, status.not_ready.map(t => h('li', {}, t)))) : '',
      status.reload.successful ? '' : h('section', {class: 'card trouble'}, h('h2', {class: 'bad'}, 'The configuration could not be reloaded'), h('p', {}, 'What ran before goes on. The log says what is wrong; ', ago(status.reload.at), '.')),
      h('div', {class: 'cards'},
        card('Firing now', table('Alerts that are firing', [['', ''], ['Alert', 'any'], ['Since', 'n']], alerts.alerts.map(a => [severity(a), [link(['alert', a.id], a.summary), marks(a)], ago(a.starts_at)]), {empty: 'Nothing is firing.'})),
        card('Redactions by rule', table('Redactions by rule', [['Rule', ''], ['Count', 'n'], ['', 'wide']], redactions.rules.slice(0, 10).map(r => [h('span', {title: r.description}, r.rule), num(r.count), h('span', {class: 'share', w: r.count / most})]), {empty: 'Nothing was redacted yet.'})),
        card('Receivers', table('Receivers', [['Receiver', 'any'], ['', ''], ['Sent', 'n'], ['Waiting', 'n'], ['Failed', 'n']], status.receivers.map(receiver), {empty: 'No receiver is configured: nobody is told.'})),
        card('Service', h('dl', {class: 'facts'}, facts([['Version', status.version], ['Since', ago(status.started_at)], ['Latency p50, p99', fast(status.latency_s.p50) + ', ' + fast(status.latency_s.p99)],
          ['Newest event', when(status.events.newest)], ['Late events', num(status.events.late)], ['Events without a time', num(status.events.untimed)], ['Keys that made room', num(status.keys.evicted)],
          ['Withheld', Object.entries(status.withheld).map(([why, n]) => `${n}: ${why}`).join('; ') || '0']])))));
  };
  main.replaceChildren(h('h1', {}, 'What is happening now'), tiles, card('Lines a second', chart), rest);
  return {load, live: draw, alerts: true, every: 5000};
}
const facts = pairs => pairs.filter(([, v]) => v != null && v !== '').map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]);
const marks = a => [a.in_hand ? [' ', h('span', {class: 'pill soft'}, 'in hand')] : null, a.silenced ? [' ', h('span', {class: 'pill soft'}, 'silenced')] : null];
function receiver(r) {
  const ill = r.dead || (r.pending && r.error);
  const why = Object.entries(r.causes).map(([cause, n]) => `${cause} ${n}`).join(', ');
  return [[h('strong', {}, r.name), ' ', h('span', {class: 'soft'}, r.type), r.error ? h('div', {class: 'soft'}, r.error) : null, r.flaw ? h('div', {class: 'warn'}, 'Sent, but not as it should be: ' + r.flaw) : null], h('span', {class: ill ? 'bad' : 'good'}, ill ? 'failing' : 'well'),
    num(r.sent), [num(r.pending + r.digest), r.oldest ? h('div', {class: 'soft'}, 'since ', ago(r.oldest)) : null], [num(r.failed), r.given_up ? ` (${r.given_up} given up)` : '', why ? h('div', {class: 'soft'}, why) : null]];
}

const COLUMNS = [['key', 'Key', 'key'], ['requests', 'Requests', 'n'], ['hour', 'Last hour', 'n'], [null, '5 min each', ''], ['errors', 'Errors', 'n'], ['networks', 'Networks', 'n'], ['hours', 'Hours', 'n'], ['age', 'Age', 'n'], ['last_seen', 'Last seen', 'n'], ['leaked', 'Leaked', '']];
const keysAsked = {search: '', sort: '-last_seen', offset: 0, leaked: '', alerting: ''};
function viewKeys() {
  const LIMIT = 50, ask = keysAsked, body = h('tbody'), found = h('p', {class: 'soft', role: 'status'});
  const back = h('button', {type: 'button', on: {click: () => turn(-LIMIT)}}, 'Previous'), next = h('button', {type: 'button', on: {click: () => turn(LIMIT)}}, 'Next');
  let serial = 0;
  const turn = by => { ask.offset = Math.max(0, ask.offset + by); load(); };
  const change = (name, value) => { ask[name] = value; ask.offset = 0; load(); };
  const heads = COLUMNS.map(([sort, text, kind]) => h('th', {scope: 'col', class: kind}, sort ? h('button', {type: 'button', on: {click: () => change('sort', ask.sort === '-' + sort ? sort : '-' + sort)}}, text) : text));
  const load = async () => {
    const mine = ++serial;
    const page = await get('keys?' + new URLSearchParams({...ask, limit: LIMIT}));
    if (mine !== serial) return;
    COLUMNS.forEach(([sort], n) => { if (ask.sort.replace('-', '') === sort) heads[n].setAttribute('aria-sort', ask.sort[0] === '-' ? 'descending' : 'ascending'); else heads[n].removeAttribute('aria-sort'); });
    const focused = document.activeElement?.closest?.('tr')?.dataset.key;
    body.replaceChildren(...page.keys.map(keyRow));
    if (focused) [...body.rows].find(r => r.dataset.key === focused)?.querySelector('a')?.focus();
    const to = page.offset + page.keys.length;
    const text = page.matched ? `${num(page.offset + 1)} to ${num(to)} of ${num(page.matched)} keys` + (page.matched === page.total ? '' : ` (${num(page.total)} in all)`) : page.total ? 'No key fits.' : 'No key was seen yet.';
    if (found.textContent !== text) found.textContent = text;
    back.disabled = page.offset === 0; next.disabled = to >= page.matched;
  };
  let typing = 0;
  const search = h('input', {type: 'search', id: 'search', value: ask.search, placeholder: 'name, type, pseudonym, group', 'aria-keyshortcuts': '/', on: {input: e => { clearTimeout(typing); typing = setTimeout(() => change('search', e.target.value), 150); }}});
  const tick = (name, text) => h('label', {}, h('input', {type: 'checkbox', checked: ask[name] === '1', on: {change: e => change(name, e.target.checked ? '1' : '')}}), text);
  main.replaceChildren(h('h1', {}, 'Keys'), h('section', {class: 'card'}, h('div', {class: 'row', role: 'search'}, h('label', {for: 'search'}, 'Search'), search, tick('leaked', 'found in a log'), tick('alerting', 'with an alert')),
    h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Keys'}, h('table', {}, h('caption', {class: 'hidden'}, 'Keys that were seen. A button in a heading sorts by it.'), h('thead', {}, h('tr', {}, heads)), body)), h('div', {class: 'row'}, back, next, found)));
  return {load, every: 5000};
}
function keyRow(k) {
  const e = k.last_hour, wrong = e.requests ? (e.errors + e.refused) / e.requests : 0;
  const cells = [[link(['key', k.key], nameOf(k)), k.label ? h('div', {class: 'soft mono'}, `${k.type}:${k.tag}`) : null, k.group ? [' ', h('span', {class: 'soft'}, k.group)] : null, k.alerting.map(kind => [' ', h('span', {class: 'pill bad'}, kind)])],
    num(k.requests), num(e.requests), sparkline(k.sparkline, `requests of the last hour by 5 minutes: ${k.sparkline.join(', ')}`),
    e.requests ? h('span', {class: wrong > .2 ? 'bad' : ''}, percent(wrong)) : '–', num(k.networks), num(k.active_hours), span((Date.now() - Date.parse(k.first_seen)) / 1000), ago(k.last_seen), k.leaked_at ? h('span', {class: 'bad'}, ago(k.leaked_at)) : '–'];
  return h('tr', {'data-key': k.key}, cells.map((cell, n) => h('td', {class: COLUMNS[n][2]}, cell)));
}
const HOURLY = e => new Date(e.at).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'});
const DAILY = e => e.at.slice(5, 10);
function viewKey(id) {
  const load = async () => {
    const k = await get('keys/' + encodeURIComponent(id));
    const alerts = await get('alerts?limit=20&key=' + encodeURIComponent(k.tag));
    const open = [...main.querySelectorAll('details')].map(d => d.open);
    main.replaceChildren(h('p', {}, link(['keys'], 'All keys')), h('h1', {}, nameOf(k)),
      h('div', {class: 'cards'},
        card('This key', h('dl', {class: 'facts'}, facts([['Pseudonym', h('span', {class: 'mono'}, `[${k.type}:${k.tag}]`)], ['Group', k.group], ['Sensitive', k.sensitive ? 'yes' : null], ['First seen', when(k.first_seen)], ['Last seen', when(k.last_seen)], ['Requests', num(k.requests)], ['Hours of use', num(k.active_hours)],
          ['Longest silence', span(k.longest_silence_s)], ['Usually', k.active_hours === 0 ? 'not learned yet' : `${percent(k.usual.error_share)} fail, ${percent(k.usual.refused_share)} are refused`], ['Uses since retired', k.requests_since_retired ? h('span', {class: 'bad'}, num(k.requests_since_retired)) : null],
          ['Leaked', k.leaked_at ? h('span', {class: 'bad'}, when(k.leaked_at), k.leaked_in ? ' in ' + k.leaked_in : '') : 'never seen in a log in clear']]))),
        card('Alerts', table('Alerts about this key', [['', ''], ['Alert', 'any'], ['Began', 'n']], alerts.alerts.map(a => [severity(a), [link(['alert', a.id], a.summary), marks(a)], ago(a.starts_at)]), {empty: 'None.'}))),
      card('24 hours', bars(k.hours_24, 'Requests of the last 24 hours, hour by hour', HOURLY), h('p', {class: 'soft'}, 'Red: errors and refusals. Dashed: usual for the hour of the week. Flat grey: not known.')),
      card('8 weeks', bars(k.days_56, 'Requests of the last 8 weeks, day by day (UTC)', DAILY)),
      h('div', {class: 'cards'},
        card('Networks', table('Networks', [['Network', 'mono'], ['Last used', 'n']], k.seen_from.map(n => [n.network, ago(n.last)]))),
        card('Used for', table('Used for', [['What', ''], ['', 'any mono'], ['Uses', 'n'], ['Last', 'n']], k.used_for.map(u => [u.what, u.name ?? '(no name kept)', num(u.uses), ago(u.last)])))));
    [...main.querySelectorAll('details')].forEach((d, n) => { d.open = !!open[n]; });
  };
  main.replaceChildren(h('h1', {}, id));
  return {load, alerts: true, every: 10000};
}

const alertsAsked = {status: '', offset: 0};
function viewAlerts() {
  const LIMIT = 50, list = h('div'), sil = h('div'), foot = h('div', {class: 'row'});
  const load = async () => {
    const [page, silences] = await Promise.all([get('alerts?' + new URLSearchParams({...alertsAsked, limit: LIMIT})), get('silences')]);
    list.replaceChildren(table('Alerts, the one that changed last first', [['', ''], ['Kind', ''], ['Alert', 'any'], ['Key', 'any'], ['Began', 'n'], ['Ended', 'n']], page.alerts.map(a => [severity(a), a.kind, [link(['alert', a.id], a.summary), marks(a)], a.key ? nameOf(a.key) : '–', when(a.starts_at), when(a.ends_at)]), {empty: alertsAsked.status ? 'None is.' : 'No alert yet. All quiet.'}));
    const to = page.offset + page.alerts.length, turn = by => () => { alertsAsked.offset = Math.max(0, alertsAsked.offset + by); refresh(); };
    foot.replaceChildren(h('button', {type: 'button', disabled: page.offset === 0, on: {click: turn(-LIMIT)}}, 'Previous'), h('button', {type: 'button', disabled: to >= page.matched, on: {click: turn(LIMIT)}}, 'Next'), h('span', {class: 'soft'}, `${num(page.matched)} alerts`));
    sil.replaceChildren(card('Silences', table('Silences', [['What', 'any'], ['Until', 'n'], ['By', 'any'], ['', '']], silences.silences.map(q => [q.matchers.join(' '), when(q.ends_at), q.author + (q.comment ? ': ' + q.comment : ''), h('button', {type: 'button', on: {click: async () => { if (await act(`silences/${encodeURIComponent(q.id)}/end`, {}, 'The silence has ended.')) refresh(); }}}, 'End')]), {empty: 'None.'})));
  };
  const choice = h('select', {id: 'status', on: {change: e => { alertsAsked.status = e.target.value; alertsAsked.offset = 0; refresh(); }}}, [['', 'all'], ['firing', 'firing'], ['resolved', 'resolved']].map(([v, t]) => h('option', {value: v, selected: v === alertsAsked.status}, t)));
  main.replaceChildren(h('h1', {}, 'Alerts'), h('section', {class: 'card'}, h('div', {class: 'row'}, h('label', {for: 'status'}, 'Show'), choice), list, foot), sil);
  return {load, alerts: true, every: 10000};
}
function viewAlert(id) {
  const top = h('div'), hand = h('div');
  const author = h('input', {id: 'author', autocomplete: 'name', maxlength: 80, value: sessionStorage.getItem('author') || ''}), comment = h('input', {id: 'comment', maxlength: 500}), length = h('select', {id: 'length'}, ['1h', '2h', '8h', '1d', '7d'].map(v => h('option', {}, v))), what = h('select', {id: 'what'});
  const words = () => { sessionStorage.setItem('author', author.value); return {author: author.value, comment: comment.value}; };
  let a = null;
  hand.append(card('Your word', h('div', {class: 'row'}, h('label', {for: 'author'}, 'Your name'), author, h('label', {for: 'comment'}, 'What is being done'), comment),
    h('div', {class: 'row'}, h('button', {type: 'button', on: {click: async () => { if (a && await act(`alerts/${encodeURIComponent(a.id)}/ack`, words(), 'Noted: it is in hand.')) refresh(); }}}, 'Take in hand')),
    h('div', {class: 'row'}, h('label', {for: 'what'}, 'Silence'), what, h('label', {for: 'length'}, 'for'), length, h('button', {type: 'button', on: {click: async () => { if (a && await act('silences', {matchers: JSON.parse(what.value), for: length.value, ...words()}, 'Nobody is told of such alerts for ' + length.value + '.')) refresh(); }}}, 'Silence'))));
  const load = async () => {
    a = await get('alerts/' + encodeURIComponent(id));
    const e = a.evidence, tag = a.key?.tag;
    if (!what.options.length) what.append(...[['this alert', ['fingerprint=' + a.fingerprint]], tag ? ['this kind for this key', ['kind=' + a.kind, 'key=' + tag]] : null, tag ? ['everything about this key', ['key=' + tag]] : null, ['every ' + a.kind, ['kind=' + a.kind]]].filter(Boolean).map(([t, m]) => h('option', {value: JSON.stringify(m)}, t)));
    top.replaceChildren(h('p', {}, link(['alerts'], 'All alerts')), h('h1', {}, severity(a), ' ', a.summary, marks(a)), card('Why', h('p', {}, a.why), h('dl', {class: 'facts'}, facts([['Kind', a.kind], ['Severity, urgency', `${a.severity}, ${a.urgency}`], ['Key', a.key ? link(['key', tag], nameOf(a.key)) : null], ['Source', a.source], ['Began', when(a.starts_at)], ['Ended', a.ends_at ? when(a.ends_at) : null],
      ['Observed', e.observed == null ? null : `${num(e.observed)} ${e.unit}`], ['Expected', e.expected == null ? null : num(e.expected)], ['Threshold', e.threshold == null ? null : num(e.threshold)], ['Score', e.score == null ? null : num(e.score)], ['Window', e.window_s == null ? null : span(e.window_s)], ['Networks', e.networks.join(', ')], ['Host', a.host], ['Id', h('span', {class: 'mono'}, a.id)]])),
      e.lines.length ? [h('h3', {}, 'Evidence, redacted'), e.lines.map(line => h('pre', {tabindex: '0'}, line))] : null),
      h('div', {class: 'cards'}, card('What to do', h('ol', {class: 'plain'}, a.runbook.map(step => h('li', {}, step.link ? outside(step.link, step.step) : step.step))), a.likely_causes.length ? [h('h3', {}, 'Likely causes'), h('ul', {class: 'plain'}, a.likely_causes.map(c => h('li', {}, c)))] : null),
        card('Timeline', h('ol', {class: 'plain'}, a.timeline.map(c => h('li', {}, when(c.at), ' ', h('strong', {}, c.what), c.author ? ' by ' + c.author : '', c.note ? ': ' + c.note : ''))), h('h3', {}, 'Told'), table('Who was told', [['Receiver', ''], ['What', ''], ['State', ''], ['Failed', 'n'], ['', 'any']], a.told.map(r => [r.receiver, r.transition, r.state, num(r.attempts), r.error || '']), {empty: 'Nobody.'}))));
  };
  main.replaceChildren(top, hand);
  return {load, alerts: true, every: 15000};
}
function viewSources() {
  const list = h('div');
  const load = async () => {
    const {sources} = await get('sources');
    const open = [...list.querySelectorAll('details')].map(d => d.open);
    list.replaceChildren(...sources.map(o => h('section', {class: 'card'}, h('h2', {}, o.name, ' ', h('span', {class: 'soft'}, o.type)),
      h('dl', {class: 'tiles'}, [['Lines', num(o.lines)], ['Bytes', size(o.bytes)], ['Events', num(o.events)], ['Redactions', num(o.redactions)], ['Lag', size(o.lag_bytes)], ['Broken JSON', num(o.invalid_json)]].map(([t, d]) => h('div', {}, h('dt', {}, t), h('dd', {}, d)))),
      h('dl', {class: 'facts'}, facts([['File generations', o.generations || null], ['Never read', o.abandonments ? `${size(o.abandoned_bytes)}, ${num(o.abandonments)} times` : null], ['Dropped lines', o.dropped_lines ? num(o.dropped_lines) : null], ['Connections', o.connections || null], ['Restarts', o.restarts || null], ['Refused', Object.entries(o.refused).map(([why, n]) => `${why} ${n}`).join(', ')]])),
      h('h3', {}, 'How its lines are read'), o.mappings.length ? o.mappings.map(m => h('details', {open: m === o.mappings[0]}, h('summary', {}, m.schema ? 'schema ' + m.schema : 'by known names', ': ', m.fields.map(f => f.role).join(', ')),
        table('Fields and roles', [['Role', ''], ['Field', 'mono any'], ['Example', 'mono any'], ['Why', 'any']], m.fields.map(f => [f.role, f.field || '(text)', f.example, f.why + (f.unit ? `, in ${f.unit}` : '')])), m.time ? h('p', {class: 'soft'}, 'Time: ' + m.time) : null, m.notes.map(n => h('p', {class: 'warn'}, n)))) : h('p', {class: 'soft'}, 'No line was read yet.'))));
    if (open.length) [...list.querySelectorAll('details')].forEach((d, n) => { if (n in open) d.open = open[n]; });
  };
  main.replaceChildren(h('h1', {}, 'Sources'), list);
  return {load, every: 5000};
}
function viewRedactions() {
  const list = h('div');
  const load = async () => {
    const r = await get('redactions');
    const most = Math.max(1, ...r.rules.map(x => x.count));
    list.replaceChildren(card('By rule', table('Redactions by rule', [['Rule', ''], ['Label', 'mono'], ['What', 'any'], ['Count', 'n'], ['', 'wide']], r.rules.map(x => [x.rule, x.type, x.description, num(x.count), h('span', {class: 'share', w: x.count / most})]))),
      card('By field', table('Redactions by field', [['Source', ''], ['Field', 'mono any'], ['Count', 'n']], r.fields.slice(0, 200).map(f => [f.source, f.field, num(f.count)]))),
      card('Withheld lines', table('Withheld lines', [['Why', 'any'], ['Lines', 'n']], Object.entries(r.withheld).map(([why, n]) => [why, num(n)]), {empty: 'None.'})));
  };
  main.replaceChildren(h('h1', {}, 'Redactions'), list);
  return {load, every: 5000};
}

// ---- going about ----
const OPEN = {now: viewNow, keys: viewKeys, key: viewKey, alerts: viewAlerts, alert: viewAlert, sources: viewSources, redactions: viewRedactions};
async function refresh() {
  clearTimeout(timer);
  const mine = view;
  try { if (!document.hidden) await mine.load(); mine.shown = true; } catch (error) {
    if (error.status === 401) state('token needed', 'bad');
    else if (mine === view && !mine.shown) main.append(h('p', {class: 'bad', role: 'alert'}, error.status === 404 ? 'There is nothing of this name.' : 'Could not be shown: ' + error.message));
  }
  if (mine === view) { main.removeAttribute('aria-busy'); clearTimeout(timer); timer = setTimeout(refresh, mine.every); }
}
function show() {
  let parts = ['now'];
  try { parts = location.hash.slice(1).split('/').map(decodeURIComponent); } catch { /* a broken address leads home */ }
  const name = Object.hasOwn(OPEN, parts[0]) ? parts[0] : 'now';
  const tab = name === 'key' ? 'keys' : name === 'alert' ? 'alerts' : name;
  $('nav').replaceChildren(...VIEWS.map(([to, text]) => link([to], text, {'aria-current': to === tab ? 'page' : null})));
  main.setAttribute('aria-busy', 'true');
  view = OPEN[name](parts.slice(1).join('/'));
  if (last && last !== location.hash) { main.focus({preventScroll: true}); scrollTo(0, 0); }
  last = location.hash || '#now';
  refresh();
}
document.querySelector('.skip').addEventListener('click', e => { e.preventDefault(); main.focus(); });
addEventListener('hashchange', show);
addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
addEventListener('keydown', e => {
  if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
  e.preventDefault();
  if (!$('search')) location.hash = 'keys';
  setTimeout(() => $('search')?.focus(), 0);
});
const theme = $('theme');
const colour = value => { if (value) document.documentElement.dataset.theme = value; else delete document.documentElement.dataset.theme; };
theme.value = localStorage.getItem('theme') || '';
colour(theme.value);
theme.addEventListener('change', () => { localStorage.setItem('theme', theme.value); colour(theme.value); });
$('token').addEventListener('click', async () => { if (await askToken()) { say('The token is used from now on.'); refresh(); } });
show();
listen();
})();
