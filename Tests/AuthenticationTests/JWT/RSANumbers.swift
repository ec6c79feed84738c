/// RSA keys made for these tests, which guard nothing; swift-crypto's interface for making them is not a dependency.
enum RSANumbers {
    static let exponent = "AQAB"

    /// 2,048 bits, with the private exponent.
    static let first = (
        modulus: """
        sJ5-E6pmHdp2eFXGQ07bHvRQLKV2td7f9UlJZNWi3tARKg0u9TyYyg4ap1w9W8uh-\
        sjwO-w9JkEk2f_q51yH2x1gdxponvvKOmJrck4x_M-4LGKZJqwIbcuQf4IhXkCIezOBM-oLGJ6FW-\
        cEkKkj1QC46RjKsRiFR-\
        wGb0oZzRzr5zpQfPdzjEp4bBp2nzOWEdndXP3-ijXrhP_V8AXSmfeMQrjz4q0jhM9TqR-\
        WPnh-5tQxKomue5BMlR-GKxd9pJB7QpkznqzBlHWeoogv_R212s677PEblyqY02wyq_Xhy2BvZD-\
        c4UhG9UoqWC7s41S0qf9OPwwXefb1mnFbyw
        """,
        privateExponent: """
        AX6rPSoJXeH7dAlFzvaxOWctRojKoxS_0H5OS2GDf19DcJer-\
        Ly1OQCQOS-5VTg5UWYMonUyufV92lp6zSUmATS-cZjySbuCeqav7Me8pJHIJ-\
        1YXntrlteiNsdjK5O1lAAGQpTjLdIppB17FxOsufYc79wbMGSEvEHDIYNUXz1bzAVU1tKx9HyJ8M3vYJ2s_n3j\
        -DwAc_p16vH8kzOVlvl6fi7ucJjoTTsvpDP9ZLYBsdnsFxbLZdFrNW_-\
        Ovom1SWJyVXTdlDiRhB92acxTTAa106uoijKm8Zcf1bZiiL9iIN8Gz4H3bIxMHbHNtdq3Pr5Qy-\
        XgQXlNG2ayA-9
        """
    )

    /// As `first`, another key.
    static let second = (
        modulus: """
        wnimeUjuqN-zPiQ2XaWcN5RibRqsY3l9b5wfzvxdOIJR8sIEDzhPevDIgWSoCwMWlrEq5ZFnH81XAzEmnspFkK\
        z7INvYSAEdbqLqoL-qdIJmO6RxCYLu-KGKY8_cTcnHNRIc2C2F8V5L-\
        gPk289mlBcuJv6mCeBhQdMtAzXrWshbksIhzB__4JGJ6uj2vZUMSZtxYESi5geh1HQn_fw9R81ZBQ_MUve6e69\
        4IberN9_wiYJjLMjqxSfQoWD2VT7_y1RJjZCCWpT_Y5R63dvfm4Dy2tjftqzH5rSyxt2IwJlFzbcpfHBicIrM9\
        TdiojC2Z1s2KxBcuEpKhqDvdzdbMw
        """,
        privateExponent: """
        BnZZHQypMAY6MzI9Q3PLMvM39hiXalLRZUUSrx-\
        M8kf6WyiXvYqJSzRdi72bJYqIh9Q2JBzNCK4bjYKaBIrQlvpe-fxapChNU-DcDro8lG4rR-\
        4ZLemI8WaRoVF5KHVjeXlmaS44fKKkJn6JbpIZl_A3qDOsGgXq-\
        9n9oLt8KUir0_OLu0Qm5R7ek0Alm9Zgr8tFrbjTF4nzmvti1yvfaBFRyJlPFaQUyBR19oSFOjWlN1nyw6tsO1M\
        GZeNSpYRQt6fSaQ10rDozUicnZWPLusoHdA1eOWrArkTfJpVjAarDDE3U4C3lvTuGqniyVhU-\
        2zp_67aOxwkwaz0BV6j0UQ
        """
    )

    /// The modulus of a key of 1,024 bits.
    static let short = """
        zC8YWCm2Paj89gRGn9MU_LBlakjGrKjk9v4AFIU3dAKGJpt2NsfObTsyayPSJYjmsdllhenm3GY3-\
        zW7e1pTQGPpM7fFEFfqXMJ8qKR2jyKKOvEkf-\
        CJurbYg-7G936qz5Y3gb4uLHHhMXC3YwUXzo9NXA7UQwhGhBg_UZp7zH0
        """
}
