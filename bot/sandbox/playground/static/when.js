// Times as Slack writes them, in the reader's own time zone.

const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: 'numeric' }).resolvedOptions();
const format = (options) => {
  const made = new Intl.DateTimeFormat('en', options);
  return (date) => made.format(date);
};

const minutes = format({ hour: 'numeric', minute: '2-digit', hourCycle });
const seconds = format({ hour: 'numeric', minute: '2-digit', second: '2-digit', hourCycle });
const short = format({ month: 'short', day: 'numeric', year: 'numeric' });
const long = format({ month: 'long', day: 'numeric', year: 'numeric' });
const longest = format({ weekday: 'long', month: 'long', day: 'numeric', year: 'numeric' });
const weekday = format({ weekday: 'long', month: 'long', day: 'numeric' });
const number = format({ month: '2-digit', day: '2-digit', year: 'numeric' });

function daysFromToday(date) {
  const start = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
  return Math.round((start(date) - start(new Date())) / 86_400_000);
}

function pretty(date, otherwise) {
  return { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }[daysFromToday(date)] ?? otherwise(date);
}

function ago(date) {
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  const past = (date.getTime() - Date.now()) / 1000;
  const [unit, length] = [['day', 86_400], ['hour', 3600], ['minute', 60]].find(([, size]) => Math.abs(past) >= size)
    ?? ['second', 1];
  return words.format(Math.round(past / length), unit);
}

const TOKENS = {
  date_num: number,
  date: long,
  date_short: short,
  date_long: longest,
  date_pretty: (date) => pretty(date, long),
  date_short_pretty: (date) => pretty(date, short),
  date_long_pretty: (date) => pretty(date, longest),
  time: minutes,
  time_secs: seconds,
  ago,
};

// The words for <!date^timestamp^form|fallback> and for the rich text element; timestamp in seconds.
export function written(timestamp, form, fallback) {
  const date = new Date(Number(timestamp) * 1000);
  if (Number.isNaN(date.getTime())) return fallback;
  return form.replace(/\{(\w+)\}/g, (whole, name) => TOKENS[name]?.(date) ?? whole);
}

// The words as they begin a line.
export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

export const clock = (timestamp) => minutes(new Date(timestamp * 1000));
export const clockWithSeconds = (timestamp) => seconds(new Date(timestamp * 1000));
export const inFull = (timestamp) => written(timestamp, '{date_long} {time_secs}', '');
export const dayOf = (timestamp) => new Date(timestamp * 1000).toDateString();
export const dayName = (timestamp) => capital(pretty(new Date(timestamp * 1000), weekday));
