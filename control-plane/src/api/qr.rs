//! A secret as a QR code (ISO/IEC 18004), drawn as SVG.
