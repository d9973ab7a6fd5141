import NodeValues

/// What a session's history says of its models.
struct Curves {
  struct Curve {
    var name: String
    /// Rounds and values, rounds rising.
    var points: [(x: Double, y: Double)] = []
  }

  var accuracy: Curve
  var loss: Curve

  /// Where nobody has tried the models, the trainers' own loss stands for theirs.
  init(_ session: String, _ events: [JSON]) {
    (accuracy, loss) = (Curve(name: session), Curve(name: session))
    var training = Curve(name: session + " (training)")
    for event in events {
      guard let round = event["version"]?.int.map(Double.init) else { continue }
      switch event.text("event") {
      case "validated":
        if let value = event["accuracy"]?.double { accuracy.add(round, value) }
        if let value = event["loss"]?.double { loss.add(round, value) }
      case "model": if let value = event["training_loss"]?.double { training.add(round, value) }
      default: break
      }
    }
    if loss.points.isEmpty { loss = training }
  }
}

extension Curves.Curve {
  /// A model that is tried again, as after a kill, is the same point.
  fileprivate mutating func add(_ x: Double, _ y: Double) {
    guard y.isFinite else { return }
    if points.last?.x == x { points.removeLast() }
    points.append((x, y))
  }
}

/// Where values lie in a picture.
struct PlotScale {
  let x: ClosedRange<Double>
  let y: ClosedRange<Double>

  init(_ curves: [Curves.Curve]) {
    let points = curves.flatMap(\.points)
    let xs = points.map(\.x), ys = points.map(\.y)
    x = Self.range(xs.min() ?? 0, xs.max() ?? 1)
    let low = ys.min() ?? 0, high = ys.max() ?? 1, margin = (high - low) * 0.05
    y = Self.range(low >= 0 ? max(0, low - margin) : low - margin, high + margin)
  }

  private static func range(_ low: Double, _ high: Double) -> ClosedRange<Double> {
    high > low ? low...high : low - 0.5...low + 0.5
  }

  func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
    ((point.x - x.lowerBound) / (x.upperBound - x.lowerBound), (point.y - y.lowerBound) / (y.upperBound - y.lowerBound))
  }

  /// About so many round numbers of a range: 1, 2 or 5 and zeros apart.
  static func ticks(_ range: ClosedRange<Double>, about count: Int, wholeOnly: Bool = false) -> [Double] {
    let rough = (range.upperBound - range.lowerBound) / Double(max(1, count))
    var unit = 1.0
    while unit > rough { unit /= 10 }
    while unit * 10 <= rough { unit *= 10 }
    var step = [1, 2, 5, 10].map { unit * $0 }.first { $0 >= rough } ?? unit
    if wholeOnly { step = max(1, step) }
    let first = (range.lowerBound / step).rounded(.up), last = (range.upperBound / step).rounded(.down)
    return first > last ? [] : stride(from: first, through: last, by: 1).map { $0 * step }
  }

  /// As short as it can be told apart from its neighbours.
  static func label(_ value: Double, of ticks: [Double]) -> String {
    let step = ticks.count > 1 ? ticks[1] - ticks[0] : 1
    var digits = 0, unit = 1.0
    while digits < 6, unit > step * 1.001 {
      unit /= 10
      digits += 1
    }
    return LearningTable.rounded(value, digits)
  }
}
