// The trials that were chosen to be compared, a few per study, kept by the browser.

export const MOST = 4;
const key = (study) => `compare-${study}`;

/** The numbers chosen of `study`, in the order in which they were. */
export function compared(study) {
  try {
    const kept = JSON.parse(localStorage.getItem(key(study)) ?? "[]");
    return Array.isArray(kept) ? kept.filter(Number.isInteger).slice(0, MOST) : [];
  } catch {
    return []; // storage is switched off, or holds something else
  }
}

/** Choose exactly these; everybody on the page hears of it. */
export function compare(study, numbers) {
  try {
    localStorage.setItem(key(study), JSON.stringify(numbers.slice(0, MOST)));
  } catch {
    return;
  }
  document.dispatchEvent(new CustomEvent("compared", { detail: compared(study) }));
}

/** Choose trial `n`, or no longer. False if there are as many as fit already. */
export function toggle(study, n) {
  const there = compared(study);
  if (there.includes(n)) compare(study, there.filter((other) => other !== n));
  else if (there.length >= MOST) return false;
  else compare(study, [...there, n]);
  return true;
}

export const compareAddress = (study, numbers) => `/s/${study}/compare${numbers.length ? `?t=${numbers.join(",")}` : ""}`;
