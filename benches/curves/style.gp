# What the curves share: no background and colours of middle brightness, to be read on white and on black.
grey = "#808890"
blue = "#2f81f7"
orange = "#e07b1a"
green = "#2da160"

set datafile separator "\t"
set datafile missing "nan"
set border 3 linecolor rgb grey
unset mxtics
set tics nomirror textcolor rgb grey
set grid ytics linecolor rgb grey linewidth 0.4 dashtype 3
set key textcolor rgb grey top left Left reverse samplen 2
set xlabel textcolor rgb grey
set ylabel textcolor rgb grey
set title textcolor rgb grey
set style line 1 linecolor rgb blue linewidth 2 pointtype 7 pointsize 0.6
set style line 2 linecolor rgb orange linewidth 2 pointtype 5 pointsize 0.6
set style line 3 linecolor rgb green linewidth 2 pointtype 9 pointsize 0.7
set output drawing
