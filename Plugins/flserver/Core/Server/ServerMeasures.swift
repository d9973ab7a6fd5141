internal import NodeKit

/// What the server counts.
struct ServerMeasures {
  private let trainers: Gauge
  private let running: Gauge
  private let updates: Counter
  private let failures: Counter
  private let models: Counter
  private let stepSeconds: Histogram
  private let trainingSeconds: Histogram
  private let received: Counter

  init(_ metrics: Metrics) {
    trainers = metrics.gauge("flserver_trainers", "Trainers that are there.")
    running = metrics.gauge("flserver_sessions", "Sessions under way.")
    updates = metrics.counter("flserver_updates_total", "Updates that trainers have brought.")
    failures = metrics.counter("flserver_failures_total", "Trainings that brought nothing.")
    models = metrics.counter("flserver_models_total", "Models that were made of updates.")
    stepSeconds = metrics.histogram("flserver_step_seconds", "What it took to make a model of its updates.")
    trainingSeconds = metrics.histogram("flserver_training_seconds", "What a training took, as its trainer says.")
    received = metrics.counter("flserver_received_bytes_total", "Bytes of updates, as they came.")
  }

  func show(trainers: Int, sessions: Int) {
    self.trainers.set(Double(trainers))
    running.set(Double(sessions))
  }

  /// An event of a session's history.
  func count(_ event: JSON) {
    switch event["event"]?.string {
    case "update":
      updates.add()
      received.add(event["bytes"]?.double ?? 0)
      trainingSeconds.observe(event["seconds"]?.double ?? 0)
    case "failed": failures.add()
    case "model":
      models.add()
      stepSeconds.observe((event["ms"]?.double ?? 0) / 1000)
    default: break
    }
  }
}
