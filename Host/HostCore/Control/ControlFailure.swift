package import NodeValues

/// What the control server answers when it cannot do what was asked.
package struct ControlFailure: Error, Sendable, Equatable {
  package var code: StatusCode
  /// What is wrong, and how to repair it.
  package var message: String
  /// What it concerns: `hello.add`, a path, a manifest's line.
  package var place: String
  /// For a path that exists and a method that it does not have: the one it has.
  package var allowedMethod: String?

  package init(_ code: StatusCode, _ message: String, place: String = "", allowedMethod: String? = nil) {
    self.code = code
    self.message = message
    self.place = place
    self.allowedMethod = allowedMethod
  }

  package var httpStatus: Int { allowedMethod == nil ? code.httpStatus : 405 }

  package var json: JSON { Self.json(code: code.name, message: message, place: place) }

  private static func json(code: String, message: String, place: String) -> JSON {
    ["error": ["code": .string(code), "message": .string(message), "place": .string(place)]]
  }

  /// The whole HTTP response.
  package func response(keepAlive: Bool, headOnly: Bool = false) -> [UInt8] {
    var headers = HTTPHeaders()
    if let allowedMethod { headers.add("Allow", allowedMethod) }
    return HTTPWriter.response(
      status: httpStatus, headers: headers, body: .bytes(ControlAPI.body(json)), keepAlive: keepAlive,
      headOnly: headOnly)
  }

  /// The response to bytes that are no HTTP request; the connection ends with it.
  package static func response(toRefused status: Int, _ reason: String) -> [UInt8] {
    let code: StatusCode = status == 413 || status == 431 || status == 414 ? .resourceExhausted : .invalidArgument
    let body = ControlAPI.body(json(code: code.name, message: reason, place: "http"))
    return HTTPWriter.response(status: status, body: .bytes(body), keepAlive: false)
  }

  /// Reads an error's body; nil if it is none.
  package init?(json: JSON) {
    guard let error = json["error"], let message = error["message"]?.string else { return nil }
    let code = error["code"]?.string.flatMap(StatusCode.init(name:)) ?? .unknown
    self.init(code, message, place: error["place"]?.string ?? "")
  }
}
