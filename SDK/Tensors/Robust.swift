internal import CTensors

/// What a few updates that want to do harm cannot pull far. All updates are looked at together, so they must all be
/// there; updates of samples that nobody can check have equal weights here.
public enum Robust {
  /// Per number the mean without the `cut` least and the `cut` greatest (Yin and others, 2018).
  public static func trimmedMean(_ updates: [FloatBuffer], cut: Int) throws(TensorError) -> FloatBuffer {
    let count = try sameCount(updates)
    guard cut >= 0, 2 * cut < updates.count else {
      throw TensorError("of \(updates.count) updates \(cut) cannot be cut off at each end; nothing would be left")
    }
    let mean = FloatBuffer(count: count)
    let sources = updates.map { UnsafePointer($0.base) }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: updates.count * Int(CT_LANE)) { room in
      ct_trimmed_mean(sources, updates.count, cut, mean.base, count, room.baseAddress!)
    }
    return mean
  }

  /// Per number the median; of an even count the mean of the two in the middle.
  public static func median(_ updates: [FloatBuffer]) throws(TensorError) -> FloatBuffer {
    try trimmedMean(updates, cut: max(0, (updates.count - 1) / 2))
  }

  /// The updates nearest to their neighbours, the best first: those whose squared distances to the
  /// `count - faulty - 2` nearest others have the least sum (Krum: Blanchard and others, 2017, who ask for
  /// `2 * faulty + 2 < count`). Take one, or the mean of several (Multi-Krum).
  public static func krum(_ updates: [FloatBuffer], faulty: Int, keep: Int = 1) throws(TensorError) -> [Int] {
    let count = try sameCount(updates)
    var distances = [[Double]](repeating: [Double](repeating: 0, count: updates.count), count: updates.count)
    addDistances(updates, count: count, to: &distances)
    return try krum(distances, faulty: faulty, keep: keep)
  }

  /// The squares of the distances between updates, or those of a part of them to those of the parts before.
  public static func addDistances(_ updates: [FloatBuffer], count: Int, to distances: inout [[Double]]) {
    for first in updates.indices {
      for second in 0..<first {
        let distance = ct_distance(updates[first].base, updates[second].base, count)
        distances[first][second] += distance
        distances[second][first] += distance
      }
    }
  }

  public static func krum(_ distances: [[Double]], faulty: Int, keep: Int = 1) throws(TensorError) -> [Int] {
    guard faulty >= 0, 2 * faulty + 2 < distances.count else {
      throw TensorError("\(distances.count) updates are too few for \(faulty) faulty: \(2 * faulty + 3) are needed")
    }
    let neighbours = distances.count - faulty - 2
    let scores = distances.indices.map { one in
      distances[one].indices.filter { $0 != one }.map { distances[one][$0] }.sorted().prefix(neighbours).reduce(0, +)
    }
    return Array(scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }.prefix(max(1, keep)))
  }

  private static func sameCount(_ updates: [FloatBuffer]) throws(TensorError) -> Int {
    guard let count = updates.first?.count else { throw TensorError("there is no update") }
    guard updates.allSatisfy({ $0.count == count }) else { throw TensorError("the updates are not of one length") }
    return count
  }
}
