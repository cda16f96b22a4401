// Wireshark 4.4 as WebAssembly (npm @goodtools/wiregasm, GPL, a test tool only): prints what the plugin shows, as JSON, one line a capture.
// node wiregasm.mjs FOLDER_OF_WIREGASM SCEP_LUA FIELD,FIELD... CAPTURE...
import fs from "fs";
import { createRequire } from "module";

const [dist, script, fields, ...captures] = process.argv.slice(2);
const loadWiregasm = createRequire(import.meta.url)(`${dist}/wiregasm.js`);
const wg = await loadWiregasm({ locateFile: (path) => `${dist}/${path}`, print: () => {}, printErr: () => {}, handleStatus: () => {} });
wg.FS.writeFile(`${wg.getPluginsDirectory()}/scep.lua`, fs.readFileSync(script));
if (!wg.init()) throw new Error("wiregasm does not start");
wg.setPref("tcp", "reassemble_out_of_order", "TRUE");
// Columns tell the fields of all frames at once; a tree for each frame takes ten times as long. U: numbers, not their names.
wg.setPref("gui", "column.format", fields.split(",").map((each) => `"${each}","%Cus:${each}:1:U"`).join(","));
wg.applyPreferences();

const list = (vector) => Array.from({ length: vector.size() }, (_, at) => vector.get(at));

for (const capture of captures) {
  wg.FS.writeFile("/uploads/capture", fs.readFileSync(capture));
  const session = new wg.DissectSession("/uploads/capture");
  const loaded = session.load().code === 0;
  const frames = loaded ? list(session.getFrames("scep || _ws.lua.error || _ws.malformed", 0, 0).frames).map((each) => list(each.columns)) : [];
  console.log(JSON.stringify({ capture, frames }));
  session.delete();
}
