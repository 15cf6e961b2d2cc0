// The reader's theme, before the first paint; the modules come later than that.
try {
  const { theme } = JSON.parse(localStorage.getItem("tailcast") || "{}") || {};
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Nothing stored that can be read: the system's theme it is.
}
