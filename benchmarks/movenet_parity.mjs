// Run MoveNet's TensorFlow.js files under node, for benchmarks/movenet_parity.py.
// node movenet_parity.mjs MODULES MODEL.json IMAGES.bin SIDE COUNT OUT
// IMAGES.bin: COUNT images of SIDE x SIDE RGB bytes. OUT: per image heatmaps (h,w,17), center (h,w,1), and poses (17,3), float32.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

const [modules, file, images, sideText, countText, out] = process.argv.slice(2);
const tf = createRequire(path.join(path.resolve(modules), "index.js"))("@tensorflow/tfjs");
const side = Number(sideText);
const count = Number(countText);

const content = JSON.parse(fs.readFileSync(file, "utf8"));
const specs = content.weightsManifest.flatMap((group) => group.weights);
const parts = content.weightsManifest.flatMap((group) => group.paths).map((name) => fs.readFileSync(path.join(path.dirname(file), name)));
const numbers = Buffer.concat(parts);
const data = numbers.buffer.slice(numbers.byteOffset, numbers.byteOffset + numbers.byteLength);
const model = await tf.loadGraphModel({
  load: async () => ({ modelTopology: content.modelTopology, weightSpecs: specs, weightData: data, signature: content.signature, format: content.format }),
});

const names = ["StatefulPartitionedCall/Sigmoid", "StatefulPartitionedCall/Sigmoid_1", "Identity"];
const pixels = fs.readFileSync(images);
const handle = fs.openSync(out, "w");
for (let index = 0; index < count; index++) {
  const bytes = pixels.subarray(index * side * side * 3, (index + 1) * side * side * 3);
  const frame = tf.tensor(Int32Array.from(bytes), [1, side, side, 3], "int32");
  for (const value of model.execute(frame, names)) {
    fs.writeSync(handle, Buffer.from(Float32Array.from(value.dataSync()).buffer));
    value.dispose();
  }
  frame.dispose();
  console.error(`image ${index + 1} of ${count}`);
}
fs.closeSync(handle);
