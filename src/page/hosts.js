// Hosts: which machine a file comes from, so that the files of one are one chip, one colour and one shown name.

import { shortened } from "./names.js";

// Only these come from other machines; another name may have a "/" because it is a path.
const FOREIGN = ["upstream", "broker"];
// Longer names of hosts lose what they share, so that the file's own name still has room beside the lines.
const WHOLE_MAX = 12; // characters

// The host that a file's name begins with; "" for a file of the daemon's own machine. What a broker brings under a
// name of its own has that before the publisher's host: "site/web1/syslog".
export function hostOf({ name, kind }) {
  if (!FOREIGN.includes(kind)) return "";
  const form = kind === "broker" ? /^[^/]+(?:\/[^/]+(?=\/[^/]))?/ : /^[^/]+/;
  return form.exec(name)?.[0] ?? "";
}

// What a file is called on its host.
export function ownName(file) {
  const host = hostOf(file);
  return host === "" ? file.name : file.name.slice(host.length + 1);
}

// The files as chips: {host, numbers}, first the files of this machine in their order, each alone with the host "", then
// the hosts by name.
export function grouped(files) {
  const groups = [];
  const byHost = new Map();
  files.forEach((file, number) => {
    const host = hostOf(file);
    if (host !== "" && byHost.has(host)) return byHost.get(host).numbers.push(number);
    const group = { host, numbers: [number] };
    groups.push(group);
    if (host !== "") byHost.set(host, group);
  });
  return groups.sort((a, b) => a.host.localeCompare(b.host, "en", { numeric: true }));
}

// A short name for each file, in the same order: "web1/syslog", or "web1" where all are called the same there.
export function shortNames(files) {
  const hosts = [...new Set(files.map(hostOf))].filter((host) => host !== "");
  if (hosts.length === 0) return shortened(files.map(({ name }) => name));
  const long = hosts.some((host) => host.length > WHOLE_MAX);
  const byHost = new Map(long ? shortened(hosts).map((short, at) => [hosts[at], short]) : hosts.map((host) => [host, host]));
  const owns = [...new Set(files.map(ownName))];
  const byOwn = new Map(shortened(owns).map((short, at) => [owns[at], short]));
  return files.map((file) => {
    const [host, own] = [byHost.get(hostOf(file)), byOwn.get(ownName(file))];
    if (host === undefined) return own;
    return owns.length === 1 ? host : `${host}/${own}`;
  });
}
