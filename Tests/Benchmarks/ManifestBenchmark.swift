import Glibc
import HostCore
import HostRuntime

/// Reading and validating a manifest, without its plugins.
enum ManifestBenchmark {
  private static let rounds = 10

  /// Prints the milliseconds of the best round, for the script that runs this beside its peer.
  static func run(_ path: String) {
    var best = Double.infinity
    for _ in 0..<rounds {
      let start = Measure.now()
      do throws(ManifestProblems) {
        _ = try ManifestFile.read(path: path)
      } catch {
        print(error)
        exit(1)
      }
      best = min(best, Measure.now() - start)
    }
    print(best / 1e6)
  }
}
