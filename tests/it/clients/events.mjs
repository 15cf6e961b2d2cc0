// fetch-event-source as its README has it, but for the page that it looks for: each message is JSON.
import {createRequire} from 'node:module';
globalThis.window = globalThis;
globalThis.document = {hidden: false, addEventListener() {}, removeEventListener() {}};
const {fetchEventSource} = createRequire(process.argv[2])('@microsoft/fetch-event-source');
await fetchEventSource(process.argv[3], {
  async onopen() { console.log('open'); },
  onmessage({event, data}) {
    const {line, event: told} = JSON.parse(data);
    console.log(event === '' ? line : `<${told}>`);
  },
  onerror(error) { console.log('error', error.message); throw error; },
});
