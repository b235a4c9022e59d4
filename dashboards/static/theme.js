// Runs before the first paint: the theme that was chosen, and the button that chooses.
// "auto" follows the system.
{
  const THEMES = ["auto", "light", "dark"];
  const stored = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is switched off: the system decides
    }
  };
  const put = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  let theme = THEMES.includes(stored()) ? stored() : "auto";
  put(theme);

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const signs = { auto: "◐", light: "☀", dark: "☾" };
    const label = () => {
      button.textContent = signs[theme];
      button.title = `Theme: ${theme}`;
      button.setAttribute("aria-label", button.title);
    };
    label();
    button.hidden = false;
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      try {
        localStorage.setItem("theme", theme);
      } catch {
        // it holds for this page
      }
      put(theme);
      label();
      document.dispatchEvent(new Event("theme"));
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new Event("theme"));
  });
}
