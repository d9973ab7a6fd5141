import NodeTesting

@testable import CanaryCore
