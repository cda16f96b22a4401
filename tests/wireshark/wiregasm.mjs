// Wireshark 4.4 as WebAssembly (npm @goodtools/wiregasm, GPL, a test tool only): prints what the plugin shows, as JSON, one line a capture.
// node wiregasm.mjs FOLDER_OF_WIREGASM SCEP_LUA CAPTURE...
import fs from "fs";
import { createRequire } from "module";

const [dist, script, ...captures] = process.argv.slice(2);
const loadWiregasm = createRequire(import.meta.url)(`${dist}/wiregasm.js`);
const wg = await loadWiregasm({ locateFile: (path) => `${dist}/${path}`, print: () => {}, printErr: () => {}, handleStatus: () => {} });
wg.FS.writeFile(`${wg.getPluginsDirectory()}/scep.lua`, fs.readFileSync(script));
if (!wg.init()) throw new Error("wiregasm does not start");
wg.setPref("tcp", "reassemble_out_of_order", "TRUE");
wg.applyPreferences();

const list = (vector) => Array.from({ length: vector.size() }, (_, at) => vector.get(at));

function collect(nodes, found) {
  for (const node of list(nodes)) {
    const name = node.filter.split(" == ")[0];
    if (name.startsWith("scep.") || name.startsWith("_ws.lua")) (found[name] ??= []).push(node.filter.slice(name.length + 4) || node.label);
    collect(node.tree, found);
  }
  return found;
}

for (const capture of captures) {
  wg.FS.writeFile("/uploads/capture", fs.readFileSync(capture));
  const session = new wg.DissectSession("/uploads/capture");
  const frames = [];
  if (session.load().code === 0) {
    for (const each of list(session.getFrames("scep || _ws.lua.error", 0, 0).frames)) {
      frames.push({ frame: each.number, columns: list(each.columns), fields: collect(session.getFrame(each.number).tree, {}) });
    }
  }
  console.log(JSON.stringify({ capture, malformed: list(session.getFrames("_ws.malformed", 0, 0).frames).map((each) => each.number), frames }));
  session.delete();
}
