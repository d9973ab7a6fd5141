import Glibc
import NodeValues
import Training

/// Trains a shipped model in bursts, one for each line of its input, so that a peer can take turns with it. First it
/// writes down what it trains with, for the peer to start from the same.
struct TrainingBenchmark {
  static let samples = 1_024
  static let batch = 32

  var model: String
  var threads: Int
  var folder: String

  func run() throws {
    let data = SyntheticImages(seed: 1).samples(Self.samples)
    let engine = try TrainingEngine(
      ModelDescription(json: .string(model)), batch: Self.batch, threads: threads, seed: 1)
    write(data.samples, "samples")
    write(data.labels, "labels")
    write(engine.parameters, "parameters")
    try engine.optimise(.sgd(rate: 0.01, momentum: 0.9))
    say("ready \(engine.kernels)")
    while let line = readLine() {
      let epochs = Int(line) ?? 1
      let begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID)
      let report = try engine.train(
        on: data, LocalTraining(epochs: epochs, batch: Self.batch, isShuffled: false))
      let took = seconds(CLOCK_MONOTONIC) - begin, used = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu
      say("\(took) \(used) \(report.score.loss)")
    }
  }

  /// At once, also into a pipe.
  private func say(_ line: String) {
    print(line)
    fflush(nil)
  }

  private func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private func write(_ numbers: [some Any], _ name: String) {
    guard let file = fopen("\(folder)/\(name)", "w") else { return perror("\(folder)/\(name)") }
    numbers.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
    fclose(file)
  }
}
