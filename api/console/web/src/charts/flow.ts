// The parts of ECharts that flows between accounts need, loaded by the page that draws them.

import { SankeyChart } from 'echarts/charts'
import { TooltipComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

use([SankeyChart, TooltipComponent, CanvasRenderer])

export { init }
