import Glibc
import HostRuntime

let ownFolder = String(ownExecutable[..<ownExecutable.lastIndex(of: "/")!])

// The scripts beside this program build the plugins and say where they are.
let arguments = CommandLine.arguments.dropFirst()
switch arguments.first {
case "calls" where arguments.count == 2: CallBenchmark.run(arguments.last!)
case "swap" where arguments.count == 4:
  let words = Array(arguments)
  SwapBenchmark(plugin: words[1], swaps: Int(words[2]) ?? 1, folder: words[3]).run()
case "blob" where arguments.count == 4:
  let words = Array(arguments)
  let isSealed = words[3] == "sealed"
  BlobBenchmark(plugins: words[1], folder: words[2], isSealed: isSealed)
    .run("objects of 4 MiB through a role\(isSealed ? ", sealed" : "")")
case "manifest" where arguments.count == 2: ManifestBenchmark.run(arguments.last!)
case "store" where arguments.count == 4:
  let words = Array(arguments)
  StoreBenchmark(folder: words[1], depth: Int(words[2]) ?? 1, commits: Int(words[3]) ?? 1).run()
case "tensors" where arguments.count == 2: TensorsBenchmark(count: Int(arguments.last!) ?? 1).run()
case "training" where arguments.count == 4:
  let words = Array(arguments)
  try TrainingBenchmark(model: words[1], threads: Int(words[2]) ?? 1, folder: words[3]).run()
default:
  print(
    "usage: benchmarks calls FOLDER | swap PLUGIN.so SWAPS FOLDER | blob PLUGINS FOLDER plain|sealed | manifest FILE "
      + "| store FOLDER DEPTH COMMITS | tensors COUNT | training MODEL THREADS FOLDER")
  exit(64)
}
